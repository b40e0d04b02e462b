// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// host answers Pulumi.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engine string // Pulumi's address
}

// GetPluginInfo implements pulumirpc.LanguageRuntimeServer.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "0.0.1"}, nil
}

// GetRequiredPackages implements pulumirpc.LanguageRuntimeServer: the tests'
// plugins are in the search path.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// InstallDependencies implements pulumirpc.LanguageRuntimeServer: it sees to it
// that the program's modules are in the module cache.
func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	said, err := tool(req.GetInfo().GetProgramDirectory(), "list", "-deps", ".")
	if err == nil {
		return nil
	}
	return errors.Join(err, server.Send(&pulumirpc.InstallDependenciesResponse{Stderr: said}))
}

// Run implements pulumirpc.LanguageRuntimeServer.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	dir, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	binary := filepath.Join(dir, "program")
	if said, err := tool(req.GetInfo().GetProgramDirectory(), "build", "-ldflags=-s -w", "-o", binary, "."); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	env, err := h.environment(req)
	if err != nil {
		return nil, err
	}
	program := exec.CommandContext(ctx, binary) //nolint:gosec // just built
	program.Dir, program.Env = req.GetPwd(), env
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	err = program.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true}, nil // it has told Pulumi itself
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program failed: %v", err)}, nil
	}
}

// environment is how a program is told about its run.
func (h *host) environment(req *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(req.GetConfigSecretKeys())
	if err != nil {
		return nil, err
	}
	return append(os.Environ(),
		pulumi.EnvOrganization+"="+req.GetOrganization(),
		pulumi.EnvProject+"="+req.GetProject(),
		pulumi.EnvStack+"="+req.GetStack(),
		pulumi.EnvPulumiRootDirectory+"="+req.GetInfo().GetRootDirectory(),
		pulumi.EnvConfig+"="+string(config),
		pulumi.EnvConfigSecretKeys+"="+string(secrets),
		pulumi.EnvDryRun+"="+strconv.FormatBool(req.GetDryRun()),
		pulumi.EnvParallel+"="+strconv.Itoa(int(req.GetParallel())),
		pulumi.EnvMonitor+"="+req.GetMonitorAddress(),
		pulumi.EnvEngine+"="+h.engine,
	), nil
}

// tool runs go in a directory, and returns what it said on its standard error.
func tool(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...) //nolint:gosec,noctx // the host's own arguments; it ends with the host
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("go %s: %w", args[0], err)
	}
	return said.Bytes(), err
}
