// SPDX-License-Identifier: Apache-2.0

// Command shop is an application of team alpha. The line below is all that it
// says about its infrastructure.
//
//nestor:web-app size=small replicas=3
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "shop, database at", os.Getenv("databaseEndpoint"))
	})
	if err := http.ListenAndServe("127.0.0.1:8080", nil); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}
