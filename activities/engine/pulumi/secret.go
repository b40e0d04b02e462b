// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/HatiCode/nestor/activities/engine"
)

// Variables of Pulumi's that give the passphrase or a file that holds it.
const (
	passphraseVariable     = "PULUMI_CONFIG_PASSPHRASE"      //nolint:gosec // a name
	passphraseFileVariable = "PULUMI_CONFIG_PASSPHRASE_FILE" //nolint:gosec // a name
)

// How a secret looks in a checkpoint, an exported stack and an event.
const (
	signatureKey    = "4dabf18193072939515e22adb298388d"
	secretSignature = "1b47061264138c4ac30d75fd1eb44270"
)

// passphraseProvider is the type of the secrets provider in a checkpoint.
const passphraseProvider = "passphrase"

var errPassphrase = errors.New("the passphrase does not fit")

// vault keeps the worker's own passphrase, and the keys derived from any: that
// takes a good part of a second each, on purpose.
type vault struct {
	dir string

	mu   sync.Mutex
	keys map[[sha256.Size]byte]config.Crypter
	// fresh are the salts of new stacks, by the passphrase's digest.
	fresh map[[sha256.Size]byte]salt
}

func newVault(dir string) *vault {
	return &vault{dir: dir, keys: map[[sha256.Size]byte]config.Crypter{}, fresh: map[[sha256.Size]byte]salt{}}
}

// passphrase for a request. Only the worker's own backend gets one by itself:
// what other workers are to read must be encrypted with what they know, too.
func (v *vault) passphrase(req engine.Request, b backend) (string, error) {
	if value, given := req.Env[passphraseVariable]; given {
		return value, nil
	}
	if path, given := req.Env[passphraseFileVariable]; given {
		text, err := os.ReadFile(path) //nolint:gosec // the environment's own setting
		if err != nil {
			return "", invalid("%s: %v", passphraseFileVariable, err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	if !b.local {
		return "", invalid("state in %s is encrypted with a passphrase, and the environment gives none; "+
			"set %s in the environment's credentials", redactURL(b.url), passphraseVariable)
	}
	value, err := v.own()
	if err != nil {
		return "", failed("keep the passphrase of the local state", err)
	}
	return value, nil
}

// own is the worker's passphrase, made once.
func (v *vault) own() (string, error) {
	path := filepath.Join(v.dir, "passphrase")
	text, err := os.ReadFile(path) //nolint:gosec // the worker's own file
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimSpace(string(text)), err
	}
	fresh, err := os.CreateTemp(v.dir, ".passphrase-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = fresh.WriteString(rand.Text() + rand.Text() + "\n")
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Link(fresh.Name(), path) // whole, and never over another's
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err = errors.Join(err, os.Remove(fresh.Name())); err != nil {
		return "", err
	}
	text, err = os.ReadFile(path) //nolint:gosec // the worker's own file
	return strings.TrimSpace(string(text)), err
}

// salt is Pulumi's record of a passphrase, which holds a salt and a check but
// not the passphrase: "v1:<salt>:<check>". It is the encryptionsalt of a stack's
// settings and the state of the secrets provider in a checkpoint.
type salt string

const saltCheck = "pulumi"

// key derives the crypter of a passphrase, and checks that it fits.
func (v *vault) key(ctx context.Context, passphrase string, s salt) (config.Crypter, error) {
	parts := strings.SplitN(string(s), ":", 3)
	if len(parts) != 3 || parts[0] != "v1" {
		return nil, errors.New("the record of its passphrase cannot be read")
	}
	id := keyID(passphrase, parts[1])
	v.mu.Lock()
	known := v.keys[id]
	v.mu.Unlock()
	if known == nil {
		raw, err := base64.StdEncoding.DecodeString(parts[1])
		if err != nil {
			return nil, errors.New("the record of its passphrase cannot be read")
		}
		known = config.NewSymmetricCrypterFromPassphrase(passphrase, raw)
	}
	if check, err := known.DecryptValue(ctx, parts[2]); err != nil || check != saltCheck {
		return nil, errPassphrase
	}
	v.mu.Lock()
	v.keys[id] = known
	v.mu.Unlock()
	return known, nil
}

// newSalt is the record of a passphrase for a new stack. All stacks that a worker
// makes with one share it, until the worker ends: what a salt guards against,
// tables of keys computed beforehand, it guards all of them against, and none
// waits for a key of its own.
func (v *vault) newSalt(ctx context.Context, passphrase string) (salt, error) {
	id := sha256.Sum256([]byte(passphrase))
	v.mu.Lock()
	defer v.mu.Unlock()
	if known := v.fresh[id]; known != "" {
		return known, nil
	}
	raw := make([]byte, 8)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	key := config.NewSymmetricCrypterFromPassphrase(passphrase, raw)
	check, err := key.EncryptValue(ctx, saltCheck)
	if err != nil {
		return "", err
	}
	text := base64.StdEncoding.EncodeToString(raw)
	v.fresh[id] = salt("v1:" + text + ":" + check)
	v.keys[keyID(passphrase, text)] = key
	return v.fresh[id], nil
}

// keyID is what a derived key is kept under.
func keyID(passphrase, salt string) [sha256.Size]byte {
	return sha256.Sum256([]byte(salt + "\n" + passphrase))
}

// isSecret says whether a value is a secret, however its content is given.
func isSecret(value any) (map[string]any, bool) {
	m, ok := value.(map[string]any)
	return m, ok && m[signatureKey] == secretSignature
}

// reveal replaces the secrets inside a value by what they hold.
func reveal(ctx context.Context, key config.Decrypter, value any) (any, error) {
	if secret, ok := isSecret(value); ok {
		return revealOne(ctx, key, secret)
	}
	return each(value, func(v any) (any, error) { return reveal(ctx, key, v) })
}

// uncover replaces the ciphertexts inside a value by plaintexts, as an export
// with secrets in clear has them.
func uncover(ctx context.Context, key config.Decrypter, value any) (any, error) {
	if secret, ok := isSecret(value); ok {
		text, err := plaintext(ctx, key, secret)
		return map[string]any{signatureKey: secretSignature, "plaintext": text}, err
	}
	return each(value, func(v any) (any, error) { return uncover(ctx, key, v) })
}

// seal encrypts the secrets inside a value that are in clear.
func seal(ctx context.Context, key config.Encrypter, value any) (any, error) {
	secret, ok := isSecret(value)
	if !ok {
		return each(value, func(v any) (any, error) { return seal(ctx, key, v) })
	}
	text, open := secret["plaintext"].(string)
	if !open {
		return secret, nil
	}
	ciphertext, err := key.EncryptValue(ctx, text)
	return map[string]any{signatureKey: secretSignature, "ciphertext": ciphertext}, err
}

func revealOne(ctx context.Context, key config.Decrypter, secret map[string]any) (any, error) {
	text, err := plaintext(ctx, key, secret)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, errors.New("a secret in it cannot be read")
	}
	return reveal(ctx, key, value)
}

func plaintext(ctx context.Context, key config.Decrypter, secret map[string]any) (string, error) {
	if text, ok := secret["plaintext"].(string); ok {
		return text, nil
	}
	ciphertext, ok := secret["ciphertext"].(string)
	if !ok || key == nil {
		return "", errors.New("a secret in it cannot be decrypted")
	}
	text, err := key.DecryptValue(ctx, ciphertext)
	if err != nil {
		return "", fmt.Errorf("a secret in it cannot be decrypted: %w", errPassphrase)
	}
	return text, nil
}

// each applies f to what is inside a list or a map.
func each(value any, f func(any) (any, error)) (any, error) {
	var err error
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if out[k], err = f(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			if out[i], err = f(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return value, nil
	}
}
