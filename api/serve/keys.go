// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/store/seal"
)

// newKeys makes the keys command: the keys that sensitive values and payloads
// are encrypted with.
func newKeys(s Streams) *cobra.Command {
	var o records.Options
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Show or rotate the keys that sensitive values and payloads are encrypted with",
	}
	path := func() (string, error) {
		if o.DataDir == "" && o.Keyset == "" {
			return "", errors.New("it is not known which keys; give --keyset, or --data, or set NESTOR_KEYSET or NESTOR_DATA")
		}
		return o.KeysetPath(), nil
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.DataDir, "data", s.Getenv("NESTOR_DATA"), "data `directory` (NESTOR_DATA)")
	flags.StringVar(&o.Keyset, "keyset", s.Getenv("NESTOR_KEYSET"), "`file` of the keys; default: keyset.json in the data directory (NESTOR_KEYSET)")
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the ids of the keys, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			file, err := path()
			if err != nil {
				return err
			}
			return listKeys(s.Out, file)
		},
	}, &cobra.Command{
		Use:   "rotate",
		Short: "Add a key, which encrypts from then on; the others go on to decrypt",
		Long: `Add a key, which encrypts from then on; the others go on to decrypt.

Running processes of this host take it within half a minute. On other hosts,
replace the file there. Back the file up: what its keys encrypted cannot be read
without them.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			file, err := path()
			if err != nil {
				return err
			}
			if err := seal.RotateKeyset(file); err != nil {
				return err
			}
			return listKeys(s.Out, file)
		},
	})
	return cmd
}

func listKeys(w io.Writer, path string) error {
	keys, err := seal.DescribeKeyset(path)
	if err != nil {
		return err
	}
	for _, key := range keys {
		use := "decrypts"
		if key.Primary {
			use = "encrypts and decrypts"
		}
		if _, err := fmt.Fprintf(w, "%s  %s\n", key.ID, use); err != nil {
			return err
		}
	}
	return nil
}
