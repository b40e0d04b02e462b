// SPDX-License-Identifier: Apache-2.0

package testkube_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/HatiCode/nestor/internal/testkube"
)

// holding is set where the test binary plays one that is killed.
const holding = "TESTKUBE_HOLD"

// TestHold is what TestKillLeavesNoProcess kills; elsewhere it has nothing to do.
func TestHold(t *testing.T) {
	t.Parallel()
	if os.Getenv(holding) == "" {
		return
	}
	if _, err := fmt.Fprintln(os.Stdout, testkube.MinIO(t).Endpoint); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}

// TestKillLeavesNoProcess kills a test binary and looks for what it started.
func TestKillLeavesNoProcess(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run", "^TestHold$")
	command.Env = append(os.Environ(), holding+"=yes", "TMPDIR="+t.TempDir())
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("the killed test said nothing: %v", lines.Err())
	}
	endpoint := lines.Text()
	if err := ask(t, endpoint); err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		t.Error("the killed test ended without an error")
	}
	until(t, "the process to end", func() error {
		if ask(t, endpoint) == nil {
			return errors.New("it still answers")
		}
		return nil
	})
}

// ask fails when nobody answers.
func ask(t *testing.T, endpoint string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint+"/minio/health/live", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
