// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/HatiCode/nestor/cli/annotation/comment"
	"github.com/HatiCode/nestor/cli/annotation/ignore"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Vendored lists the names of folders that hold other people's code or what
// tools have put there, at any depth; a scan leaves them out.
func Vendored() []string {
	return []string{
		"vendor", "third_party", // Go, Composer (PHP), Bazel
		"node_modules", "bower_components", ".yarn", // JavaScript
		".venv", "site-packages", "__pycache__", // Python
		"Pods",       // CocoaPods
		".terraform", // Terraform, OpenTofu
	}
}

// rules are the pattern files that hold in a folder, the nearest first.
type rules struct {
	parent *rules
	list   *ignore.List
	prefix int // length of the folder's path, which the patterns do not see
}

// ignores says whether git's rules leave a path out.
func (r *rules) ignores(path string, dir bool) bool {
	for ; r != nil; r = r.parent {
		if v := r.list.Match(path[r.prefix:], dir); v != ignore.None {
			return v == ignore.Ignored
		}
	}
	return false
}

// task is a folder to list or, with names, some files of it to read.
type task struct {
	folder string // with a slash at its end; of the root: empty
	rules  *rules
	names  []string
}

// batch is how many files of one folder one worker takes at once.
const batch = 128

// walker hands out tasks to its workers. Each keeps its own findings.
type walker struct {
	root     string // with a slash at its end
	workers  int
	vendored []string
	table    func() *comment.Table

	mu    sync.Mutex
	wake  *sync.Cond
	tasks []task
	busy  int
	err   error
}

// walk scans the tree below root.
func (w *walker) walk(ctx context.Context) (findings, error) {
	w.wake = sync.NewCond(&w.mu)
	exclude, err := w.exclude()
	if err != nil {
		return findings{}, err
	}
	w.tasks = []task{{rules: exclude}}
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = context.Cause(ctx)
		w.wake.Broadcast()
	})
	defer stop()
	found := make([]findings, w.workers)
	var group sync.WaitGroup
	for i := range found {
		group.Go(func() {
			worker := worker{walker: w, found: &found[i]}
			for t, ok := w.take(); ok; t, ok = w.take() {
				worker.do(t)
				w.done()
			}
		})
	}
	group.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all findings
	for _, f := range found {
		all.claims = append(all.claims, f.claims...)
		all.notes = append(all.notes, f.notes...)
		all.problems = append(all.problems, f.problems...)
		all.files += f.files
		all.bytes += f.bytes
	}
	return all, w.err
}

// exclude reads the repository's own list of patterns, the last to be asked.
// There is none in a folder that is no repository, and in a linked worktree,
// whose .git is a file.
func (w *walker) exclude() (*rules, error) {
	data, err := os.ReadFile(w.root + ".git/info/exclude")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if list := ignore.Parse(data); list != nil {
		return &rules{list: list}, nil
	}
	return nil, nil
}

// take waits for a task; there is none when all are idle or the scan ends.
func (w *walker) take() (task, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.tasks) == 0 && w.busy > 0 && w.err == nil {
		w.wake.Wait()
	}
	if len(w.tasks) == 0 || w.err != nil {
		return task{}, false
	}
	last := len(w.tasks) - 1
	t := w.tasks[last]
	w.tasks = w.tasks[:last]
	w.busy++
	return t, true
}

func (w *walker) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if w.busy == 0 && len(w.tasks) == 0 {
		w.wake.Broadcast()
	}
}

func (w *walker) push(tasks []task) {
	if len(tasks) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks = append(w.tasks, tasks...)
	w.wake.Broadcast()
}

// worker does tasks with a buffer of its own.
type worker struct {
	*walker
	found  *findings
	reader reader
}

func (w *worker) do(t task) {
	if t.names != nil {
		w.files(t.folder, t.names)
		return
	}
	entries, err := os.ReadDir(w.root + t.folder)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			w.unreadable(strings.TrimSuffix(t.folder, "/"), err)
		}
		return
	}
	if git := find(entries, ".git"); git != nil && t.folder != "" {
		w.found.notes = append(w.found.notes, Note{
			File: strings.TrimSuffix(t.folder, "/"), Message: "not scanned: it is a repository of its own (it has a .git)",
		})
		return
	}
	here := t.rules
	if e := find(entries, ".gitignore"); e != nil && e.Type().IsRegular() {
		here = w.patterns(t)
	}
	var folders []task
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.Type().IsRegular():
			if here == nil || !here.ignores(t.folder+name, false) {
				names = append(names, name)
			}
		case e.IsDir():
			if w.skips(name, t.folder == "") || here != nil && here.ignores(t.folder+name, true) {
				continue
			}
			folders = append(folders, task{folder: t.folder + name + "/", rules: here})
		}
	}
	for len(names) > batch {
		folders = append(folders, task{folder: t.folder, names: names[len(names)-batch:]})
		names = names[:len(names)-batch]
	}
	w.push(folders)
	w.files(t.folder, names)
}

// find returns the entry of that name, or nil; entries are sorted.
func find(entries []fs.DirEntry, name string) fs.DirEntry {
	i, ok := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int {
		return strings.Compare(e.Name(), name)
	})
	if !ok {
		return nil
	}
	return entries[i]
}

// skips names the folders that are never entered.
func (w *walker) skips(name string, top bool) bool {
	return name == ".git" || top && name == stateFolder || slices.Contains(w.vendored, name)
}

// patterns adds a folder's .gitignore to the rules; git ignores one that is a
// link.
func (w *worker) patterns(t task) *rules {
	data, err := w.reader.read(w.root + t.folder + ".gitignore")
	if err != nil {
		w.unreadable(t.folder+".gitignore", err)
		return t.rules
	}
	if list := ignore.Parse(data); list != nil {
		return &rules{parent: t.rules, list: list, prefix: len(t.folder)}
	}
	return t.rules
}

// files scans some files of a folder.
func (w *worker) files(folder string, names []string) {
	for _, name := range names {
		path := folder + name
		data, err := w.reader.read(w.root + path)
		switch {
		case errors.Is(err, errTooLarge):
			w.found.notes = append(w.found.notes, Note{File: path, Message: "not scanned: larger than 4 MiB"})
		case err != nil:
			w.unreadable(path, err)
		case data != nil:
			w.found.files++
			w.found.bytes += int64(len(data))
			if indexMarker(data) >= 0 {
				w.hit(path, data)
			}
		}
	}
}

// hit reads a file that holds the marker.
func (w *worker) hit(path string, data []byte) {
	before := len(w.found.claims)
	w.found.extract(w.table(), path, data)
	if len(w.found.claims) > before && !printable(path) {
		w.found.claims = w.found.claims[:before]
		w.found.problems = append(w.found.problems, manifest.Problem{
			File: strings.ToValidUTF8(path, "\ufffd"), Message: "a file with annotations has a name that is no plain text", Hint: "rename it",
		})
	}
}

func printable(path string) bool {
	return utf8.ValidString(path) && !strings.ContainsFunc(path, unicode.IsControl)
}

// unreadable reports what could not be read. It is an error: the annotations in
// there would silently be lost, and with them what they claim.
func (w *worker) unreadable(path string, err error) {
	var detail *fs.PathError
	if errors.As(err, &detail) {
		err = detail.Err
	}
	w.found.problems = append(w.found.problems, manifest.Problem{
		File: path, Message: "cannot be read: " + err.Error(), Hint: "make it readable, or add it to .gitignore",
	})
}
