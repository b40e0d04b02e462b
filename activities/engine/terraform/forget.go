// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/atomicfile"
)

// forgottenDir of the data directory keeps, in clear, the state that each node
// dropped last.
const forgottenDir = "forgotten"

// Forget implements engine.Adopter. The state in the backend becomes an empty
// one, through the program, so that its lock and its own backup are kept. The
// resources that it held are written to the worker's data directory, in place of
// what the node dropped before, and the file is named in the log.
func (e *Engine) Forget(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	defer n.close()
	s, uncertain, err := n.known(ctx)
	if err != nil {
		return err
	}
	if len(uncertain) > 0 {
		return n.uncertainError(uncertain) // nobody would ever look for it again
	}
	if s.exists() {
		if err := n.ready(ctx); err != nil {
			return err
		}
		if len(s.addresses()) > 0 {
			if err := n.keep(ctx, s); err != nil {
				return err
			}
		}
		empty := &document{Version: stateVersion, Program: s.Program, Serial: s.Serial + 1, Lineage: s.Lineage, Resources: []*held{}}
		if err := n.push(ctx, empty, false); err != nil {
			return err
		}
	}
	if err := n.forget(importedFile, diedFile); err != nil {
		return failed("clear workspace", err)
	}
	return nil
}

// keep writes the state that is about to be dropped where it can be found again,
// as it is in the backend: an encrypted one is not decrypted for it.
func (n *node) keep(ctx context.Context, s state) error {
	var text []byte
	var err error
	if n.stateFile != "" {
		text, err = os.ReadFile(n.stateFile)
		if err != nil {
			return unreadable("the state cannot be read: %v", err)
		}
	} else {
		if _, encrypted := n.req.Env["TF_ENCRYPTION"]; encrypted {
			n.say("no copy of the state is kept, since it would not be encrypted")
			return nil
		}
		pulled, err := n.runPull(ctx)
		if err != nil {
			return err
		}
		text = []byte(pulled)
	}
	dir := filepath.Join(n.engine.config.DataDir, forgottenDir, filepath.FromSlash(n.req.Address))
	path := filepath.Join(dir, fmt.Sprintf("%s-%d.tfstate", filepath.Base(s.Lineage), s.Serial))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed("keep state", err)
	}
	if err := atomicfile.Write(path, text); err != nil {
		return failed("keep state", err)
	}
	kept, err := os.ReadDir(dir)
	if err != nil {
		return failed("remove what was kept before", err)
	}
	for _, other := range kept {
		if other.Name() == filepath.Base(path) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, other.Name())); err != nil {
			return failed("remove what was kept before", err)
		}
	}
	n.say("the state that is forgotten is kept, in clear, in %s", path)
	return nil
}
