// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// Files and folders of a data directory that this package makes or reads.
const (
	lockFile      = "dev.lock"
	tokensFile    = "tokens.yaml"
	endpointsFile = "endpoints.json"
	temporalFile  = "temporal.db"
	logsDir       = "logs"
	secretsDir    = "secrets"
	clusterDir    = "kubernetes"
	minioDir      = "minio"
	kubeconfig    = "kubeconfig"
)

// Endpoints tell other programs where a running platform is. They are in
// <data>/endpoints.json from the moment it is ready until it stops.
type Endpoints struct {
	PID             int    `json:"pid"`
	Version         string `json:"version"`
	DataDir         string `json:"dataDir"`
	API             string `json:"api"`
	TemporalAddress string `json:"temporalAddress"`
	TemporalUI      string `json:"temporalUi"`
	Tokens          string `json:"tokens"` // path of the tokens file
	Logs            string `json:"logs"`   // path of the folder

	// Kubernetes and MinIO are there when the platform was started with them.
	Kubernetes *KubernetesEndpoints `json:"kubernetes,omitempty"`
	MinIO      *MinIOEndpoints      `json:"minio,omitempty"`
}

// KubernetesEndpoints tell where the cluster is.
type KubernetesEndpoints struct {
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"` // path of a file that is whole in itself
	Secret     string `json:"secret"`     // what environments write for it
	Crossplane string `json:"crossplane,omitempty"`
}

// MinIOEndpoints tell where the object store is, and where its keys are.
type MinIOEndpoints struct {
	Endpoint        string `json:"endpoint"`
	AccessKeyFile   string `json:"accessKeyFile"`
	SecretKeyFile   string `json:"secretKeyFile"`
	AccessKeySecret string `json:"accessKeySecret"` // what environments write for it
	SecretKeySecret string `json:"secretKeySecret"`
}

// InUseError says that another platform runs on the data directory.
type InUseError struct {
	DataDir string
	PID     int // 0 when unknown
}

func (e *InUseError) Error() string {
	owner := "another `nestor dev`"
	if e.PID != 0 {
		owner += " (pid " + strconv.Itoa(e.PID) + ")"
	}
	return fmt.Sprintf("%s runs on %s already; stop it, or choose another directory with --data-dir", owner, e.DataDir)
}

// DefaultDataDir is NESTOR_DATA, or nestor/dev in XDG_DATA_HOME, or in
// ~/.local/share.
func DefaultDataDir(getenv func(string) string) (string, error) {
	if dir := getenv("NESTOR_DATA"); dir != "" {
		return dir, nil
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nestor", "dev"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a data directory: %w; choose one with --data-dir", err)
	}
	return filepath.Join(home, ".local", "share", "nestor", "dev"), nil
}

// dataDir is a data directory that this process alone runs on.
type dataDir struct {
	path string
	lock *os.File
}

func openDataDir(path string) (*dataDir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Join(absolute, logsDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w; choose another with --data-dir", err)
	}
	d := &dataDir{path: absolute}
	d.lock, err = os.OpenFile(d.file(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	switch err := tryLock(d.lock); {
	case errors.Is(err, errLocked):
		return nil, errors.Join(&InUseError{DataDir: absolute, PID: pidIn(d.lock)}, d.lock.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock the data directory: %w", err), d.lock.Close())
	}
	if err := d.claim(); err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	return d, nil
}

// claim writes the process's id into the lock file and removes what an earlier
// process left that was killed.
func (d *dataDir) claim() error {
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("lock the data directory: %w", err)
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock the data directory: %w", err)
	}
	if err := d.hideTemporal(); err != nil {
		return err
	}
	return d.removeEndpoints()
}

// hideTemporal takes from other users what an earlier release of this program
// let them read. Temporal's database cannot be made in advance: one that exists
// counts as set up.
func (d *dataDir) hideTemporal() error {
	for _, name := range []string{temporalFile, temporalFile + "-wal", temporalFile + "-shm"} {
		if err := os.Chmod(d.file(name), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("hide Temporal's database from other users: %w", err)
		}
	}
	return nil
}

func pidIn(file *os.File) int {
	content := make([]byte, 32)
	n, err := file.ReadAt(content, 0)
	if n == 0 && err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content[:n])))
	if err != nil {
		return 0
	}
	return pid
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the directory free for others.
func (d *dataDir) close() error {
	return errors.Join(d.removeEndpoints(), d.lock.Close())
}

func (d *dataDir) removeEndpoints() error {
	if err := os.Remove(d.file(endpointsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old endpoints: %w", err)
	}
	return nil
}

func (d *dataDir) writeEndpoints(e Endpoints) error {
	content, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	temporary := d.file(endpointsFile + ".new")
	if err := os.WriteFile(temporary, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	if err := os.Rename(temporary, d.file(endpointsFile)); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	return nil
}

// credential is an entry of the tokens file.
type credential struct {
	Token     string   `yaml:"token"`
	Principal string   `yaml:"principal"`
	Teams     []string `yaml:"teams"`
	Roles     []string `yaml:"roles"`
}

// token returns the first token of the tokens file, which is made with a random
// one for every team and role when there is none.
func (d *dataDir) token() (string, error) {
	path := d.file(tokensFile)
	content, err := os.ReadFile(path) //nolint:gosec // inside the data directory, which the user chose
	if errors.Is(err, fs.ErrNotExist) {
		return d.newToken(path)
	}
	if err != nil {
		return "", fmt.Errorf("read tokens: %w", err)
	}
	var known []credential
	if err := yaml.Unmarshal(content, &known); err != nil {
		return "", fmt.Errorf("read tokens: %s is no list of tokens; correct it, or remove it to get a new one", path)
	}
	if len(known) == 0 || known[0].Token == "" {
		return "", fmt.Errorf("read tokens: %s holds no token; remove it to get a new one", path)
	}
	return known[0].Token, nil
}

func (d *dataDir) newToken(path string) (string, error) {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	made := credential{
		Token:     "nestor-dev-" + hex.EncodeToString(random),
		Principal: "user:dev",
		Teams:     []string{"*"},
		Roles:     []string{"platform", "team"},
	}
	content, err := yaml.Marshal([]credential{made})
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return made.Token, nil
}
