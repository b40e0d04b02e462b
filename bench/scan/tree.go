// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// The tree's size, near that of a large service's repository.
const (
	treeFiles   = 6000
	treeFolders = 700
	treeIgnored = 600 // files below an ignored folder
	treeClaims  = 40
	medianBytes = 3500
	// spread is the standard deviation of the logarithm of a file's size:
	// most files are small and a few hold most of the bytes, as in real trees.
	spread = 1.2
)

// grow writes the same tree each time: folders of uneven depth, files of the
// usual kinds with words in them, some binaries, pattern files, a folder that
// is ignored and one of dependencies.
func grow(root string) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: the tree must be the same in each run
	folders := []string{""}
	for len(folders) < treeFolders {
		parent := folders[random.IntN(len(folders))]
		if strings.Count(parent, "/") > 7 {
			continue
		}
		folders = append(folders, parent+fmt.Sprintf("%s%d/", words()[random.IntN(len(words()))], len(folders)))
	}
	kinds := strings.Fields(".go .go .go .go .ts .tsx .py .java .yaml .yaml .json .md .tf .sh .rs .proto .css .html .sql")
	for i := range treeFiles {
		folder := folders[random.IntN(len(folders))]
		name := filepath.Join(root, folder, fmt.Sprintf("%s_%d%s", words()[random.IntN(len(words()))], i, kinds[random.IntN(len(kinds))]))
		size := int(medianBytes * math.Exp(random.NormFloat64()*spread))
		var data []byte
		switch {
		case i%60 == 0: // an image, an archive
			data = make([]byte, size)
			for j := range data {
				data[j] = byte(random.Uint32()) //nolint:gosec // G115: any byte will do
			}
		case i%(treeFiles/treeClaims) == 1:
			name += ".go"
			data = append(fmt.Appendf(nil, "//nestor:web-app name=claim-%d size=small replicas=3\npackage main\n", i), prose(random, size)...)
		default:
			data = prose(random, size)
		}
		if err := put(name, data); err != nil {
			return err
		}
	}
	for i := range treeIgnored {
		folder := []string{"build/out", "node_modules/left-pad"}[i%2]
		if err := put(filepath.Join(root, folder, fmt.Sprintf("%d.js", i)), prose(random, medianBytes)); err != nil {
			return err
		}
	}
	ignored := "# outputs\n/build/\nnode_modules/\n*.log\n*.o\n*.tmp\n!keep.log\n.idea/\n.vscode/\ncoverage*.out\n/dist\n**/generated/**\n*.py[co]\n"
	if err := put(filepath.Join(root, ".gitignore"), []byte(ignored)); err != nil {
		return err
	}
	for i := 1; i < len(folders); i += 50 {
		if err := put(filepath.Join(root, folders[i], ".gitignore"), []byte("*.bak\n/local/\n!important.bak\n")); err != nil {
			return err
		}
	}
	return nil
}

func put(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}

// prose is text with the letters, lengths and punctuation of source code.
func prose(random *rand.Rand, size int) []byte {
	vocabulary := words()
	data := make([]byte, 0, size+16)
	for len(data) < size {
		for range random.IntN(4) {
			data = append(data, '\t')
		}
		for range 2 + random.IntN(9) {
			data = append(data, vocabulary[random.IntN(len(vocabulary))]...)
			data = append(data, " .(,: =\""[random.IntN(8)])
		}
		data = append(data, '\n')
	}
	return data
}

func words() []string {
	return strings.Fields("func return error context nil name nested client server request response string int if for " +
		"range import package config value key node next handler service deployment metadata labels spec status test want got " +
		"http json format print read write open close file path index count length byte slice map struct interface type const var " +
		"public static final void class extends new this null self def lambda async await promise export default")
}
