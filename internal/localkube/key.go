// SPDX-License-Identifier: Apache-2.0

package localkube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// validity of what is made, and the rest of it at which all is made anew.
	validity  = 10 * 365 * 24 * time.Hour
	leastLeft = 30 * 24 * time.Hour

	certificateFile = "tls.crt"
	keyFile         = "tls.key"
	authorityFile   = "ca.crt"
)

// keys are files below one directory, which only their owner can read: one
// authority, what all servers and all clients of the control plane show to each
// other, and the key that signs tokens of service accounts.
type keys struct{ dir string }

func (k keys) server() string    { return filepath.Join(k.dir, "server") }
func (k keys) client() string    { return filepath.Join(k.dir, "client") }
func (k keys) authority() string { return filepath.Join(k.server(), authorityFile) }
func (k keys) accounts() string  { return filepath.Join(k.dir, "service-accounts.key") }

// openKeys makes the keys when there are none, or when they expire soon. They
// appear whole or not at all.
func openKeys(dir string) (keys, error) {
	k := keys{dir}
	expires, err := k.expires()
	switch {
	case err == nil && time.Until(expires) > leastLeft:
		return k, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return k, fmt.Errorf("read the keys of the control plane: %w; remove %s to get new ones", err, dir)
	}
	made := keys{dir + ".new"}
	if err := errors.Join(os.RemoveAll(made.dir), made.make(), os.RemoveAll(dir), os.Rename(made.dir, dir)); err != nil {
		return k, fmt.Errorf("make the keys of the control plane: %w", err)
	}
	return k, nil
}

func (k keys) expires() (time.Time, error) {
	content, err := os.ReadFile(filepath.Join(k.server(), certificateFile))
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return time.Time{}, errors.New("the server's certificate is damaged")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return certificate.NotAfter, nil
}

func (k keys) make() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate("nestor-local-control-plane")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	authority := issuer{template: template, key: key}
	if authority.der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return err
	}
	server := certificate("nestor-local-server")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	client := certificate("nestor-local-client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return errors.Join(authority.issue(k.server(), server), authority.issue(k.client(), client),
		writeKey(k.accounts(), accounts))
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issuer signs certificates. Its key is never written.
type issuer struct {
	template *x509.Certificate
	key      *ecdsa.PrivateKey
	der      []byte
}

// issue writes a key, its certificate and the authority into a directory.
func (i issuer) issue(dir string, template *x509.Certificate) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.template, key.Public(), i.key)
	if err != nil {
		return err
	}
	return errors.Join(
		writeKey(filepath.Join(dir, keyFile), key),
		writePEM(filepath.Join(dir, certificateFile), "CERTIFICATE", der),
		writePEM(filepath.Join(dir, authorityFile), "CERTIFICATE", i.der),
	)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
