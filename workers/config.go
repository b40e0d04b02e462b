// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/workers/admission"
)

// Config of a worker process. FromEnv reads it.
type Config struct {
	// DataDir holds the store, blobs, the keyset and the workspaces.
	DataDir string
	// Keyset is the file of the keys; empty means keyset.json in DataDir.
	Keyset            string
	TemporalAddress   string
	TemporalNamespace string
	// PayloadEncryption encrypts what Temporal keeps. Without it, payloads that
	// are encrypted can still be read.
	PayloadEncryption bool
	// Roles that this process takes; it needs only their programs.
	Roles []string
	// Slots bounds the steps of each engine that run at once in this process; 0
	// leaves that to Admission alone.
	Slots int
	// Admission by memory and CPU, for roles that serve an engine. A role that
	// is not in it is bounded by Slots.
	Admission map[string]Admission
	// SecretsDir holds a directory for each team, named after it, and
	// "_platform", with the files behind "secret://file/…"; empty: none.
	SecretsDir string
	// Secrets of other sources.
	Secrets Secrets
	// BinDirs are searched for engine programs before PATH.
	BinDirs []string
	// MirrorDir is a provider mirror for Terraform and OpenTofu; empty: none.
	MirrorDir string
	// LogRetention is how long the logs of ended deployments are kept;
	// 0 keeps them.
	LogRetention time.Duration
	// Grace is how long engines may take to stop cleanly.
	Grace time.Duration
	// Versioning of the workflows that run; its zero value is none. FromEnv
	// leaves it, since it does not know the program's build: see
	// VersioningFromEnv.
	Versioning Versioning
	// LeaseTTL is how long the store may be out of reach before a step stops its
	// engine; 0 means orchestrator.LeaseTTL.
	LeaseTTL time.Duration
	// Backoff before a step that failed is tried again; see activities.Steps.
	Backoff time.Duration
	// FakeWorld is the address of the fake engine's world where that is a process
	// of its own; empty keeps it in the data directory.
	FakeWorld string
}

// Defaults of the configuration.
const (
	DefaultTemporalAddress = "127.0.0.1:7233"
	DefaultNamespace       = "default"
	DefaultLogRetention    = 30 * 24 * time.Hour
	DefaultGrace           = time.Minute
)

// FromEnv reads the configuration from NESTOR_* variables.
func FromEnv(getenv func(string) string) (Config, error) {
	address, namespace := TemporalFromEnv(getenv)
	c := Config{
		DataDir:           getenv("NESTOR_DATA"),
		Keyset:            getenv("NESTOR_KEYSET"),
		TemporalAddress:   address,
		TemporalNamespace: namespace,
		Roles:             split(or(getenv("NESTOR_QUEUES"), RoleControl+","+RoleTerraform)),
		SecretsDir:        getenv("NESTOR_SECRETS_DIR"),
		BinDirs:           filepath.SplitList(getenv("NESTOR_BIN")),
		MirrorDir:         getenv("NESTOR_PROVIDER_MIRROR"),
		FakeWorld:         getenv("NESTOR_FAKE_WORLD"),
	}
	var errs []error
	var err error
	if c.Slots, err = positive(getenv("NESTOR_SLOTS"), 0); err != nil {
		errs = append(errs, fmt.Errorf("NESTOR_SLOTS: %w", err))
	}
	if c.LogRetention, err = duration(getenv("NESTOR_LOG_RETENTION"), DefaultLogRetention); err != nil {
		errs = append(errs, fmt.Errorf("NESTOR_LOG_RETENTION: %w", err))
	}
	if c.Grace, err = duration(getenv("NESTOR_ENGINE_GRACE"), DefaultGrace); err != nil {
		errs = append(errs, fmt.Errorf("NESTOR_ENGINE_GRACE: %w", err))
	}
	if c.LeaseTTL, err = duration(getenv("NESTOR_LEASE_TTL"), orchestrator.LeaseTTL); err != nil {
		errs = append(errs, fmt.Errorf("NESTOR_LEASE_TTL: %w", err))
	}
	if c.PayloadEncryption, err = codec.Enabled(getenv); err != nil {
		errs = append(errs, err)
	}
	if c.Secrets, err = secretsFromEnv(getenv); err != nil {
		errs = append(errs, err)
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("NESTOR_DATA is not set; it names the data directory"))
	}
	if len(c.Roles) == 0 {
		errs = append(errs, errors.New("NESTOR_QUEUES names no queue"))
	}
	known := RoleNames()
	for _, role := range c.Roles {
		if !slices.Contains(known, role) {
			errs = append(errs, fmt.Errorf("NESTOR_QUEUES: %q is unknown; expected some of %s", role, strings.Join(known, ", ")))
		}
	}
	if c.Admission, err = admissions(getenv, c.Roles, c.Slots, admission.ThisMachine()); err != nil {
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// TemporalFromEnv reads where Temporal is, and the namespace of the workflows.
func TemporalFromEnv(getenv func(string) string) (address, namespace string) {
	return or(getenv("NESTOR_TEMPORAL_ADDRESS"), DefaultTemporalAddress), or(getenv("NESTOR_TEMPORAL_NAMESPACE"), DefaultNamespace)
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func split(list string) []string {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

func positive(text string, fallback int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no positive number", text)
	}
	return n, nil
}

func duration(text string, fallback time.Duration) (time.Duration, error) {
	if text == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration such as \"90s\" or \"720h\"", text)
	}
	return d, nil
}
