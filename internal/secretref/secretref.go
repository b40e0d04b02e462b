// SPDX-License-Identifier: Apache-2.0

// Package secretref reads references to secrets and holds the rule of whose
// they are. A reference is "secret://<source>/<path>", and every secret has one
// owner: a team, or the platform.
//
//	a team's        secret://env/NESTOR_SECRET_<TEAM>__<NAME>   secret://<other source>/<team>/<path>
//	the platform's  secret://env/NESTOR_CREDENTIAL_<NAME>       secret://<other source>/_platform/<path>
//
// <TEAM> is the team's name in capitals with "_" for "-". <NAME> has no two
// underscores in a row, so the last two of a variable end the team's name: no
// team can name a variable of another one, whatever the two are called.
//
// In every other source the first step of the path is the owner itself. Where
// that lies in the source (which directory, namespace, prefix or mount) the
// worker's configuration says and no reference can, so the rule needs no
// configuration to be checked:
//
//	file                 <owner>/<path>
//	kubernetes           <owner>/<name of the Secret>/<key>
//	aws-secretsmanager   <owner>/<name>, <owner>/<name>#<key of the JSON inside>
//	aws-ssm              <owner>/<path>
//	vault                <owner>/<path>#<key>
//
// It does not read secrets; activities/secret does.
package secretref

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

const (
	// Scheme begins every reference.
	Scheme = "secret://"
	// Platform owns the credentials of environments. It is no DNS label, so
	// that no team has its name.
	Platform = "_platform"
)

// Source is where secrets are.
type Source string

// The sources.
const (
	Env            Source = "env"                // the worker's environment
	File           Source = "file"               // files below the worker's directory of secrets
	Kubernetes     Source = "kubernetes"         // Secrets of a cluster
	SecretsManager Source = "aws-secretsmanager" // AWS Secrets Manager
	SSM            Source = "aws-ssm"            // parameters of AWS Systems Manager
	Vault          Source = "vault"              // a KV engine of Vault or OpenBao
)

// Sources lists all of them.
func Sources() []Source { return []Source{Env, File, Kubernetes, SecretsManager, SSM, Vault} }

const (
	teamPrefix     = "NESTOR_SECRET_"
	platformPrefix = "NESTOR_CREDENTIAL_"
)

// Reference is one that its owner may use.
type Reference struct {
	Source Source
	// Owner is a team or Platform.
	Owner string
	// Path is the variable's whole name, or the path inside what is the owner's.
	Path string
	// Key inside the secret, for sources whose secrets have several; empty where
	// the whole secret is meant.
	Key string
}

// Error says what is wrong with a reference, and the cure apart from it. It
// never repeats the reference, which may be a secret that somebody pasted.
type Error struct{ Message, Hint string }

func (e *Error) Error() string { return e.Message + " (" + e.Hint + ")" }

// Parse reads a reference that owner, a team or Platform, wants to use. It
// fails with an *Error for what is no reference, for a path that could lead out
// of the owner's directory, and for what is not the owner's.
func Parse(owner, ref string) (Reference, error) {
	if owner != Platform && !regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`).MatchString(owner) {
		return Reference{}, &Error{"it is not known whose secret is asked for", "name a team"}
	}
	m := regexp.MustCompile(`^secret://([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/([!-~]{1,512})$`).FindStringSubmatch(ref)
	if m == nil || strings.ContainsAny(m[2], `\%?`) {
		return Reference{}, &Error{"the value is no reference to a secret", "write " + Forms(owner)}
	}
	r := Reference{Source: Source(m[1]), Owner: owner}
	var keyed bool
	r.Path, r.Key, keyed = strings.Cut(m[2], "#")
	if keyed && r.Source != Vault && r.Source != SecretsManager {
		return Reference{}, &Error{"the value is no reference to a secret", "write " + Forms(owner)}
	}
	steps := strings.Split(r.Path, "/")
	if slices.ContainsFunc(steps, func(p string) bool { return p == "" || p == "." || p == ".." }) {
		return Reference{}, &Error{"the path of a reference to a secret has an empty step or leads upwards", "write " + Forms(owner)}
	}
	if r.Source == Env {
		name, mine := strings.CutPrefix(r.Path, prefix(owner))
		if !mine || !regexp.MustCompile(`^[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*$`).MatchString(name) {
			return Reference{}, notOwned(owner, "variable", Forms(owner))
		}
		return r, nil
	}
	form, known := forms()[r.Source]
	if !known {
		return Reference{}, &Error{"the source of the reference to a secret is unknown", "write " + Forms(owner)}
	}
	if steps[0] != owner || len(steps) == 1 {
		return Reference{}, notOwned(owner, form.what, form.of(r.Source, owner))
	}
	r.Path = strings.Join(steps[1:], "/")
	if !regexp.MustCompile(form.path).MatchString(r.Path) || !regexp.MustCompile(form.key).MatchString(r.Key) || keyed && r.Key == "" {
		return Reference{}, &Error{"the reference names no " + form.what, "write " + form.of(r.Source, owner)}
	}
	return r, nil
}

// form of the references of a source.
type form struct {
	what string // that they name
	rest string // after the owner, for a message
	path string // pattern of Path
	key  string // pattern of Key
}

func (f form) of(source Source, owner string) string {
	if source == File {
		return Forms(owner)
	}
	return Scheme + string(source) + "/" + cmp.Or(owner, "<team>") + "/" + f.rest
}

// forms of all sources but Env. What they let through has one meaning in its
// source: no escapes, versions or wildcards.
func forms() map[Source]form {
	const none, key = `^$`, `^[A-Za-z0-9_.-]{1,253}$`
	return map[Source]form{
		File:           {"file", "<path>", ``, none},
		Kubernetes:     {"key of a Secret", "<name>/<key>", `^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9_.-]{1,253}$`, none},
		SecretsManager: {"secret of AWS Secrets Manager", "<name>[#<key>]", `^[A-Za-z0-9/_+=.@-]+$`, `^[A-Za-z0-9_.-]{0,253}$`},
		SSM:            {"parameter of AWS Systems Manager", "<path>", `^[A-Za-z0-9/_.-]+$`, none},
		Vault:          {"key of a secret in Vault", "<path>#<key>", `^[A-Za-z0-9/_.-]+$`, key},
	}
}

// Forms are the references that an owner can write wherever the platform runs;
// for a message. Other sources are the platform team's to offer.
func Forms(owner string) string {
	directory := cmp.Or(owner, "<team>")
	return Scheme + string(Env) + "/" + prefix(owner) + "<NAME> or " + Scheme + string(File) + "/" + directory + "/<path>"
}

// prefix begins the names of an owner's variables.
func prefix(owner string) string {
	switch owner {
	case Platform:
		return platformPrefix
	case "":
		return teamPrefix + "<TEAM>__"
	default:
		return teamPrefix + strings.ToUpper(strings.ReplaceAll(owner, "-", "_")) + "__"
	}
}

func notOwned(owner, what, forms string) *Error {
	whose := "team " + owner + "'s"
	if owner == Platform {
		whose = "the platform's"
	}
	return &Error{"the reference names a " + what + " that is not " + whose, "write " + forms}
}
