// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/HatiCode/nestor/internal/atomicfile"
)

// MinIONeed is the program behind NewMinIO.
func MinIONeed() Need { return Need{Program: "minio", Tool: "minio"} }

// MinIO is an object store that speaks S3.
type MinIO struct {
	// Endpoint is its address.
	Endpoint string
	// AccessKey and SecretKey are the administrator's.
	AccessKey, SecretKey string
	// AccessKeyPath and SecretKeyPath are the files that keep them.
	AccessKeyPath, SecretKeyPath string

	dir  string
	port int
}

// NewMinIO makes the keys of an object store that keeps everything in a
// directory, or takes up those that are there. Nothing runs yet.
func NewMinIO(dir string, port int) (*MinIO, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("directory of MinIO: %w", err)
	}
	m := &MinIO{
		Endpoint: "http://" + loopback(port), dir: dir, port: port,
		AccessKeyPath: filepath.Join(dir, "access-key"), SecretKeyPath: filepath.Join(dir, "secret-key"),
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, fmt.Errorf("make MinIO's directory: %w", err)
	}
	if m.AccessKey, err = keep(m.AccessKeyPath, "nestor-", 8); err != nil {
		return nil, fmt.Errorf("make MinIO's keys: %w", err)
	}
	if m.SecretKey, err = keep(m.SecretKeyPath, "", 20); err != nil {
		return nil, fmt.Errorf("make MinIO's keys: %w", err)
	}
	return m, nil
}

// keep reads a file of one word, or makes it with random bytes.
func keep(path, prefix string, random int) (string, error) {
	content, err := os.ReadFile(path) //nolint:gosec // a file below the directory that was given
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	bytes := make([]byte, random)
	if _, err := rand.Read(bytes); err != nil {
		return "", err
	}
	word := prefix + hex.EncodeToString(bytes)
	return word, atomicfile.Write(path, []byte(word+"\n"))
}

// Part is the process.
func (m *MinIO) Part() Part {
	c := &client{base: m.Endpoint, http: &http.Client{Timeout: requestPatience, Transport: &http.Transport{IdleConnTimeout: time.Second}}}
	return Part{
		Name: "minio", Program: MinIONeed().Program,
		Args: []string{
			"server", "--quiet", "--anonymous", "--address=" + loopback(m.port),
			"--certs-dir=" + filepath.Join(m.dir, "certs"), filepath.Join(m.dir, "data"),
		},
		Env: []string{
			"HOME=" + m.dir, "MINIO_ROOT_USER=" + m.AccessKey, "MINIO_ROOT_PASSWORD=" + m.SecretKey,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off",
		},
		// It then can read and write what it keeps.
		Ready: func(ctx context.Context) error { return c.get(ctx, "/minio/health/cluster", nil) },
	}
}
