// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Pack collects the files below the given directories of fsys; paths in the
// bundle are those in fsys. Left out are what programs leave behind: .git,
// .terraform, .pulumi, and Terraform's state and crash files. (The dependency
// lock file .terraform.lock.hcl belongs to a module and stays.)
//
// A symbolic link to a regular file of the same directory is packed as that
// file; any other link is refused, so that nothing from outside gets in. The
// same tree gives the same bundle whatever its times, owners and modes, the
// executable bit of the owner excepted.
func Pack(fsys fs.FS, dirs []string) (Bundle, error) {
	p := &packer{fsys: fsys, seen: map[string]bool{}}
	for _, dir := range slices.Compact(slices.Sorted(slices.Values(dirs))) {
		if err := p.dir(dir); err != nil {
			return Bundle{}, fmt.Errorf("pack %q: %w", dir, err)
		}
	}
	return New(p.files)
}

type packer struct {
	fsys  fs.FS
	files []File
	size  int64
	seen  map[string]bool
}

func (p *packer) dir(root string) error {
	if !fs.ValidPath(root) || root == "." {
		return errors.New("not a directory below the definition's")
	}
	info, err := fs.Lstat(p.fsys, root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the module directory does not exist beside the definition: %w", fs.ErrNotExist)
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("the module must be a directory")
	}
	found := false
	err = fs.WalkDir(p.fsys, root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && excludedDir(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || excludedFile(entry.Name()):
			return nil
		}
		found = true
		return p.add(root, name, entry)
	})
	if err == nil && !found {
		return errors.New("the module directory holds no files")
	}
	return err
}

func excludedDir(name string) bool {
	return name == ".git" || name == ".terraform" || name == ".pulumi"
}

func excludedFile(name string) bool {
	return name == ".git" || name == "crash.log" || name == ".terraform.tfstate.lock.info" ||
		strings.HasSuffix(name, ".tfstate") || strings.Contains(name, ".tfstate.")
}

func (p *packer) add(root, name string, entry fs.DirEntry) error {
	if p.seen[name] {
		return nil // below two of the directories
	}
	p.seen[name] = true
	source := name
	if entry.Type()&fs.ModeSymlink != 0 {
		target, err := p.follow(root, name)
		if err != nil {
			return err
		}
		source = target
	}
	info, err := fs.Lstat(p.fsys, source)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q is neither a regular file nor a link to one of the same directory", name)
	}
	if len(p.files) == MaxFiles {
		return &LimitError{What: "files", Limit: MaxFiles}
	}
	data, err := p.read(source)
	if err != nil {
		return err
	}
	p.files = append(p.files, File{Path: name, Executable: info.Mode()&0o100 != 0, Data: data})
	return nil
}

// read stops at the limit, whatever the size that the file system reports.
func (p *packer) read(name string) (data []byte, err error) {
	f, err := p.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, MaxBytes-p.size+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	if p.size += int64(len(data)); p.size > MaxBytes {
		return nil, &LimitError{What: "bytes", Limit: MaxBytes}
	}
	return data, nil
}

// follow takes one step along a link. Its target must itself be a file of the
// tree; directories on the way that are links are refused by the walk.
func (p *packer) follow(root, name string) (string, error) {
	link, err := fs.ReadLink(p.fsys, name)
	if err != nil {
		return "", fmt.Errorf("read the link %q: %w", name, err)
	}
	target := path.Join(path.Dir(name), link)
	if path.IsAbs(link) || !strings.HasPrefix(target, root+"/") {
		return "", fmt.Errorf("the link %q leaves the module's directory; put a copy in its place", name)
	}
	for dir := target; dir != root; dir = path.Dir(dir) {
		if excludedDir(path.Base(dir)) || excludedFile(path.Base(dir)) {
			return "", fmt.Errorf("the link %q leads to %q, which is not packed", name, target)
		}
	}
	return target, nil
}
