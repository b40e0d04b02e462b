// SPDX-License-Identifier: Apache-2.0

// Package cli is the frame that the commands of nestor share: the Factory that
// gives them streams, settings and the API, and the one place where an error
// becomes a message and an exit code.
//
// Each verb is a package of its own below it, in the same shape: an Options
// struct, NewCmdX(f, runF) that fills it from flags and arguments, and runX
// that does the work. cli/root puts them together.
package cli

import (
	"os"
	"time"

	"github.com/HatiCode/nestor/cli/config"
	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
)

// Flags that every command takes.
type Flags struct {
	config.Flags
	Output  output.Format
	NoColor bool
	// Timeout ends the whole command; 0 never does.
	Timeout time.Duration
}

// Factory gives commands what they need. It does no work before it is asked.
type Factory struct {
	IO *iostreams.IO
	// Getenv reads an environment variable.
	Getenv func(string) string
	// Dir is the working directory.
	Dir string
	Now func() time.Time
	// Version of this program.
	Version string
	Flags   Flags
	// Backoff of the API client; nil takes its own.
	Backoff func(attempt int) time.Duration
}

// NewFactory returns the factory of this process.
func NewFactory(version string) (*Factory, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, Errorf("change into a directory that exists", "find the working directory: %w", err)
	}
	return &Factory{
		IO: iostreams.System(os.Getenv), Getenv: os.Getenv, Dir: dir,
		Now: time.Now, Version: version,
	}, nil
}

// ConfigFile returns the configuration file's path and content.
func (f *Factory) ConfigFile() (path string, file config.File, err error) {
	path, err = config.Path(f.Getenv)
	if err != nil {
		return "", config.File{}, err
	}
	file, err = config.Load(path)
	return path, file, err
}

// Settings are the flags over NESTOR_* over the configuration file.
func (f *Factory) Settings() (config.Settings, error) {
	_, file, err := f.ConfigFile()
	if err != nil {
		return config.Settings{}, err
	}
	return config.Resolve(file, f.Flags.Flags, f.Getenv)
}

// Client returns the API of the settings. It does not connect.
func (f *Factory) Client() (*remote.Client, error) {
	settings, err := f.Settings()
	if err != nil {
		return nil, err
	}
	return remote.New(remote.Options{
		Server: settings.Server, ServerFrom: settings.ServerFrom, Token: settings.Token,
		UserAgent: "nestor/" + f.Version, Backoff: f.Backoff,
	})
}
