// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/HatiCode/nestor/internal/atomicfile"
)

// user is who asks the API server for something.
type user string

// The users. Each process has its own.
const (
	admin            user = "nestor-admin"
	managerUser      user = "system:kube-controller-manager"
	kwokUser         user = "kwok"
	crossplaneUser   user = "crossplane"
	providerUser     user = "crossplane-provider-kubernetes"
	everythingGroup       = "system:masters"
	tokensFile            = "tokens.csv"
	kubeconfigSuffix      = ".kubeconfig"
)

func allUsers() []user { return []user{admin, managerUser, kwokUser, crossplaneUser, providerUser} }

// users have tokens, which are kept in the file that the API server reads.
type users struct {
	dir    string
	tokens map[user]string
}

func (u users) file() string         { return filepath.Join(u.dir, tokensFile) }
func (u users) token(of user) string { return u.tokens[of] }
func (u users) kubeconfig(of user) string {
	name := string(of)
	if of == managerUser {
		name = "kube-controller-manager"
	}
	return filepath.Join(u.dir, name+kubeconfigSuffix)
}

// openUsers reads the tokens, and makes them for whom there is none.
func openUsers(dir string) (users, error) {
	u := users{dir: dir, tokens: map[user]string{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return u, fmt.Errorf("make the users of the control plane: %w", err)
	}
	content, err := os.ReadFile(u.file())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return u, fmt.Errorf("read the users of the control plane: %w", err)
	}
	reader := csv.NewReader(bytes.NewReader(content))
	reader.FieldsPerRecord = -1 // groups are left out where there are none
	rows, err := reader.ReadAll()
	if err != nil {
		return u, fmt.Errorf("read the users of the control plane: %s is damaged: %w; remove it to get a new one", u.file(), err)
	}
	for _, row := range rows {
		if len(row) > 1 {
			u.tokens[user(row[1])] = row[0]
		}
	}
	complete := true
	for _, name := range allUsers() {
		if u.tokens[name] == "" {
			complete = false
			random := make([]byte, 24)
			if _, err := rand.Read(random); err != nil {
				return u, fmt.Errorf("make the users of the control plane: %w", err)
			}
			u.tokens[name] = hex.EncodeToString(random)
		}
	}
	if complete {
		return u, nil
	}
	return u, u.write()
}

func (u users) write() error {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	for _, name := range allUsers() {
		row := []string{u.tokens[name], string(name), string(name)}
		if name == admin {
			row = append(row, everythingGroup)
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return atomicfile.Write(u.file(), text.Bytes())
}
