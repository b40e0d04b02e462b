// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"fmt"

	"github.com/HatiCode/nestor/cli/config"
)

// writeContext puts the platform into the CLI's configuration file as the
// context ContextName, keeping that context's team and environment, and makes
// it current when no context is. It returns the current context's name.
func writeContext(path, server, ui, token string) (string, error) {
	if path == "" {
		return "", nil
	}
	file, err := config.Load(path)
	if err != nil {
		return "", fmt.Errorf("add the context %s: %w", ContextName, err)
	}
	before := file
	context, known := file.Context(ContextName)
	changed := !known || context.Server != server || context.TemporalUI != ui || context.Token != token || file.Current == ""
	context.Name, context.Server, context.TemporalUI, context.Token = ContextName, server, ui, token
	if before.Current == "" {
		file.Current = ContextName
	}
	if !changed {
		return file.Current, nil
	}
	file.Set(context)
	if err := file.Save(path); err != nil {
		return "", fmt.Errorf("add the context %s: %w", ContextName, err)
	}
	return file.Current, nil
}
