// SPDX-License-Identifier: Apache-2.0

package comment

import "slices"

// The tables. Of two rules whose openers begin alike the first that applies
// wins, so longer openers come first.

// cStyle is what most languages with braces share.
func cStyle(more ...rule) []rule {
	return append([]rule{line("//"), block("/*", "*/")}, more...)
}

// addBraces enters the languages with C's comments.
func (t *Table) addBraces() {
	double, single := quoted(`"`, backslash), quoted(`'`, backslash)
	t.add("go", ".go", cStyle(double, char(), long("`", "`", verbatim))...)
	t.add("c", ".c .h .cc .cpp .cxx .hh .hpp .hxx .inl .ipp .cu .m .mm .ino",
		cStyle(rawCpp(), double, char())...)
	t.add("csharp", ".cs .csx", cStyle(
		rawQuotes(), long(`$@"`, `"`, doubled), long(`@$"`, `"`, doubled), long(`@"`, `"`, doubled), double, char())...)
	t.add("java", ".java", cStyle(long(`"""`, `"""`, backslash), double, char())...)
	t.add("kotlin", ".kt .kts", line("//"), nested("/*", "*/"), long(`"""`, `"""`, verbatim), quoted(`"`, backslash, "${"), char())
	t.add("scala", ".scala .sc .sbt", line("//"), nested("/*", "*/"), long(`"""`, `"""`, verbatim), quoted(`"`, backslash, "${"), char())
	t.add("groovy", ".groovy .gradle jenkinsfile jenkinsfile.*", cStyle(
		long(`"""`, `"""`, backslash), long(`'''`, `'''`, backslash), quoted(`"`, backslash, "${"), single)...)
	t.add("dart", ".dart", line("//"), nested("/*", "*/"),
		where(notAfterWord, long(`r"""`, `"""`, verbatim)), where(notAfterWord, long(`r'''`, `'''`, verbatim)),
		where(notAfterWord, text(`r"`, `"`, verbatim, false)), where(notAfterWord, text(`r'`, `'`, verbatim, false)),
		long(`"""`, `"""`, backslash), long(`'''`, `'''`, backslash), quoted(`"`, backslash, "${"), quoted(`'`, backslash, "${"))
	t.add("rust", ".rs", line("//"), nested("/*", "*/"),
		fenced("br"), fenced("cr"), fenced("r"), long(`"`, `"`, backslash), char())
	t.add("swift", ".swift", line("//"), nested("/*", "*/"),
		fenced("#"), long(`"""`, `"""`, backslash), quoted(`"`, backslash, `\(`))
	t.add("zig", ".zig .zon", line("//"), restOfLine(`\\`), double, char())
	t.add("javascript", ".js .jsx .mjs .cjs .ts .tsx .mts .cts !node !deno !bun",
		slices.Concat(cStyle(regex(false), double, single), template())...)
	t.add("json-with-comments", ".jsonc .json5 .code-workspace tsconfig.json jsconfig.json devcontainer.json", cStyle(double, single)...)
	t.add("php", ".php .phtml !php",
		where(outIsland, islandOpen("<?")), where(inIsland, islandClose("?>")),
		where(outIsland, block("<!--", "-->")),
		phpLine("//"), where(inIsland, block("/*", "*/")), phpLine("#"),
		where(inIsland, heredoc("<<<", "", false)),
		where(inIsland, long(`"`, `"`, backslash)), where(inIsland, long(`'`, `'`, backslash)))
	t.add("protobuf", ".proto .thrift .fbs .capnp", cStyle(double, single)...)
	t.add("solidity", ".sol", cStyle(double, single)...)
	t.add("shader", ".glsl .vert .frag .comp .hlsl .wgsl .metal .v .sv .svh .vala .pony .odin .jai .move .cairo .circom", cStyle(double)...)
	t.add("d", ".d", line("//"), block("/*", "*/"), nested("/+", "+/"), long("`", "`", verbatim),
		where(notAfterWord, long(`r"`, `"`, verbatim)), long(`"`, `"`, backslash), char())
	t.add("css", ".css", block("/*", "*/"), double, single)
	t.add("scss", ".scss .sass .less .styl", cStyle(double, single)...)
	t.add("hcl", ".tf .tfvars .hcl .nomad .pkr .tofu", cStyle(line("#"), heredoc("<<", "-", false), quoted(`"`, backslash, "${", "%{"))...)
	t.add("jsonnet", ".jsonnet .libsonnet", cStyle(
		line("#"), long("|||", "|||", verbatim), long(`@"`, `"`, doubled), long(`@'`, `'`, doubled),
		long(`"`, `"`, backslash), long(`'`, `'`, backslash))...)
	t.add("cue", ".cue", line("//"), long(`"""`, `"""`, backslash), long(`'''`, `'''`, backslash), fenced("#"), double, single)
	t.add("bicep", ".bicep", cStyle(long(`'''`, `'''`, verbatim), single)...)
	t.add("assembly", ".s .asm .nasm", cStyle(line("#"), line(";"), double)...)
}

// addScripts enters the languages with "#" and the like.
func (t *Table) addScripts() {
	double, single := quoted(`"`, backslash), quoted(`'`, backslash)
	longDouble, longSingle := long(`"`, `"`, backslash), long(`'`, `'`, backslash)
	tripleDouble, tripleSingle := long(`"""`, `"""`, backslash), long(`'''`, `'''`, backslash)
	hash, wordHash := line("#"), where(atWord, line("#"))

	t.add("python", ".py .pyi .pyw .pyx .bzl .bazel .star .gyp build workspace buck tiltfile sconstruct sconscript snakefile wscript !python !pypy",
		hash, tripleDouble, tripleSingle, double, single)
	t.add("shell", ".sh .bash .zsh .ksh .ash .bats .ebuild .envrc .bashrc .zshrc .bash_profile .bash_aliases .profile .zprofile .zshenv apkbuild pkgbuild !sh !bash !zsh !ksh !dash !ash !bats",
		wordHash, skip(`\`, 2), skip("$#", 2), long(`$'`, `'`, backslash), long(`'`, `'`, verbatim), long(`"`, `"`, backslash, "$("),
		heredoc("<<", "-", false))
	t.add("fish", ".fish !fish", wordHash, skip(`\`, 2), longSingle, longDouble)
	t.add("ruby", ".rb .rake .gemspec .ru .cr .podspec .thor gemfile rakefile vagrantfile brewfile podfile fastfile guardfile berksfile capfile !ruby !crystal",
		margins(Block, "=begin", "=end"), restOfFile("__END__"),
		hash, questionChar(), delimited("%", "qQwWiIrsx", 1), regex(true), heredoc("<<", "~-", true),
		long(`"`, `"`, backslash, "#{"), longSingle, long("`", "`", backslash))
	t.add("perl", ".pl .pm .t .cgi .psgi cpanfile !perl",
		perlPod(), restOfFile("__END__"), restOfFile("__DATA__"),
		where(atWord, line("#")), where(notSigil, delimited("q", "qwrx", 0)), heredoc("<<", "~", true), double, single)
	t.add("elixir", ".ex .exs !elixir",
		hash, questionChar(), delimited("~", "sScCrRwWuUdDtTnN", 1), long(`"""`, `"""`, backslash), long(`'''`, `'''`, backslash), long(`"`, `"`, backslash, "#{"), longSingle)
	t.add("r", ".r .rmd !rscript !Rscript", hash, longDouble, longSingle)
	t.add("julia", ".jl !julia", nested("#=", "=#"), hash, tripleDouble, long(`"`, `"`, backslash, "$("), char())
	t.add("nim", ".nim .nims", nested("#[", "]#"), hash, long(`"""`, `"""`, verbatim), double, char())
	t.add("nix", ".nix", hash, block("/*", "*/"), indented(), long(`"`, `"`, backslash, "${"))
	t.add("powershell", ".ps1 .psm1 .psd1 !pwsh !powershell",
		block("<#", "#>"), wordHash, skip("`", 2), hereString(`"`), hereString(`'`), long(`"`, `"`, backtick), long(`'`, `'`, doubled))
	t.add("tcl", ".tcl .tk .exp !tclsh !wish !expect", where(atWord, line("#")), skip(`\`, 2), double)
	t.add("awk", ".awk !awk !gawk !mawk", hash, double)
	t.add("make", ".mk .mak .make makefile gnumakefile bsdmakefile makefile.* kbuild",
		skip(`\`, 2), wordHash, double, single)
	t.add("just", ".just justfile", wordHash, double, single, long("`", "`", verbatim))
	t.add("cmake", ".cmake cmakelists.txt", bracket(Block, "#"), hash, bracket(Literal, ""), longDouble)
	t.add("dockerfile", ".dockerfile .containerfile dockerfile containerfile dockerfile.* containerfile.*",
		where(atLine, line("#")), heredoc("<<", "-", false))
	t.add("graphql", ".graphql .gql .graphqls", hash, tripleDouble, double)
	t.add("rego", ".rego", hash, long("`", "`", verbatim), double)
	t.add("gdscript", ".gd .coffee .rpy .mojo .nu .jq .pp .po .feature", hash, tripleDouble, tripleSingle, double, single)
	t.add("lua", ".lua .luau .rockspec !lua !luajit", bracket(Block, "--"), line("--"), bracket(Literal, ""), double, single)
	t.add("sql", ".sql .psql .pgsql .ddl .dml .plsql .hql",
		line("--"), nested("/*", "*/"), long(`'`, `'`, verbatim), long(`"`, `"`, verbatim), long("`", "`", verbatim), dollar())
	t.add("ada", ".adb .ads .gpr", line("--"), quoted(`"`, verbatim), char())
	t.add("vhdl", ".vhd .vhdl", line("--"), quoted(`"`, verbatim), char())
}

// addFunctional enters Lisp's, ML's and Erlang's descendants.
func (t *Table) addFunctional() {
	lispString := long(`"`, `"`, backslash)
	t.add("lisp", ".lisp .lsp .cl .el .scm .ss .rkt .fnl .hy !sbcl !guile !racket",
		nested("#|", "|#"), skip(`#\`, 3), skip(`?\`, 3), line(";"), lispString)
	t.add("clojure", ".clj .cljs .cljc .edn .bb !bb !clojure", skip(`\`, 2), line(";"), lispString)
	t.add("haskell", ".hs .hsc .elm .purs .idr .agda .cabal !runhaskell !stack",
		nested("{-", "-}"), where(notOperator, line("--")), long(`"`, `"`, backslash), char())
	t.add("ocaml", ".ml .mli .mll .mly .sml .sig", nested("(*", "*)"), long("{|", "|}", verbatim), lispString, char())
	t.add("fsharp", ".fs .fsi .fsx",
		line("//"), where(notOperatorStar, nested("(*", "*)")), long(`"""`, `"""`, verbatim), long(`@"`, `"`, doubled), lispString, char())
	t.add("erlang", ".erl .hrl .escript rebar.config !escript",
		line("%"), skip("$", 2), lispString, quoted(`'`, backslash))
	t.add("tex", ".tex .sty .cls .bib .latex", skip(`\`, 2), line("%"))
}

// addData enters formats of data and settings.
func (t *Table) addData() {
	t.add("yaml", ".yaml .yml .cff .sls", where(atWord, line("#")),
		yamlQuoted(`"`, backslash), yamlQuoted(`'`, doubled), yamlBlock("|"), yamlBlock(">"))
	t.add("toml", ".toml pipfile", line("#"),
		long(`"""`, `"""`, backslash), long(`'''`, `'''`, verbatim), quoted(`"`, backslash), quoted(`'`, verbatim))
	t.add("ini", ".ini .cfg .conf .cnf .properties .service .socket .timer .desktop .editorconfig .gitconfig .npmrc",
		where(atLine, line("#")), where(atLine, line(";")))
	t.add("list", ".env env.* .gitignore .dockerignore .gitattributes .helmignore codeowners procfile caddyfile requirements.txt",
		where(atLine, line("#")))
	// No comments at all, whatever a line looks like.
	t.add("data", ".json .geojson .ipynb .map .lock .sum .csv .tsv .svg .log .diff .patch .snap .har go.sum")
}

// addMarkup enters HTML's relatives.
func (t *Table) addMarkup() {
	comment := block("<!--", "-->")
	t.add("xml", ".xml .xsd .xsl .xslt .wsdl .csproj .fsproj .vbproj .props .targets .plist .xaml .resx .nuspec .pom .storyboard .xib .axml",
		comment, between(Literal, "<![CDATA[", "]]>"), where(afterEquals, long(`"`, `"`, verbatim)), where(afterEquals, long(`'`, `'`, verbatim)))
	t.add("html", ".html .htm .xhtml .erb .ejs .hbs .mustache .njk .twig .liquid .jsp .cshtml .razor .aspx .gohtml .heex",
		comment, where(afterEquals, long(`"`, `"`, verbatim)), where(afterEquals, long(`'`, `'`, verbatim)))
	t.add("component", ".vue .svelte .astro",
		comment, where(atLine, line("//")), where(atLine, block("/*", "*/")),
		where(afterEquals, long(`"`, `"`, verbatim)), where(afterEquals, long(`'`, `'`, verbatim)))
	t.add("markdown", ".md .markdown .mdx .mkd .qmd",
		codeBlock("```"), codeBlock("~~~"), inlineCode(), where(atIndent, comment)).prose = true
}

// notSigil: not the name of a Perl variable or key.
func notSigil(s *scan, at int) bool {
	switch s.before(at) {
	case '$', '@', '%', '&', '>', '-', '{':
		return false
	}
	return true
}

// notOperator: two dashes are a comment in Haskell unless they are part of an
// operator such as "-->" or "|--".
func notOperator(s *scan, at int) bool {
	symbol := func(c byte) bool {
		switch c {
		case '!', '#', '$', '%', '&', '*', '+', '.', '/', '<', '=', '>', '?', '@', '\\', '^', '|', '~', ':':
			return true
		}
		return false
	}
	return !symbol(s.before(at)) && !symbol(s.byteAt(at+2+run(s.src, at+2, '-')))
}

// notOperatorStar: "(*)" is an operator in F#.
func notOperatorStar(s *scan, at int) bool { return s.byteAt(at+2) != ')' }

// perlPod is documentation between "=word" and "=cut".
func perlPod() rule {
	pod := margins(Literal, "=", "=cut")
	return where(func(s *scan, at int) bool { return isWord(s.byteAt(at + 1)) }, pod)
}
