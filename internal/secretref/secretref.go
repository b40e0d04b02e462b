// SPDX-License-Identifier: Apache-2.0

// Package secretref reads references to secrets and holds the rule of whose
// they are. A reference is "secret://<source>/<path>", and every secret has one
// owner: a team, or the platform.
//
//	a team's        secret://env/NESTOR_SECRET_<TEAM>__<NAME>   secret://file/<team>/<path>
//	the platform's  secret://env/NESTOR_CREDENTIAL_<NAME>       secret://file/_platform/<path>
//
// <TEAM> is the team's name in capitals with "_" for "-". <NAME> has no two
// underscores in a row, so the last two of a variable end the team's name: no
// team can name a variable of another one, whatever the two are called.
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
	Env  Source = "env"  // the worker's environment
	File Source = "file" // files below the worker's directory of secrets
)

const (
	teamPrefix     = "NESTOR_SECRET_"
	platformPrefix = "NESTOR_CREDENTIAL_"
)

// Reference is one that its owner may use.
type Reference struct {
	Source Source
	// Owner is a team or Platform.
	Owner string
	// Path is the variable's whole name, or the file's path inside the
	// directory of the owner.
	Path string
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
	if m == nil || strings.ContainsAny(m[2], `\%?#`) {
		return Reference{}, &Error{"the value is no reference to a secret", "write " + Forms(owner)}
	}
	steps := strings.Split(m[2], "/")
	if slices.ContainsFunc(steps, func(p string) bool { return p == "" || p == "." || p == ".." }) {
		return Reference{}, &Error{"the path of a reference to a secret has an empty step or leads upwards", "write " + Forms(owner)}
	}
	r := Reference{Source: Source(m[1]), Owner: owner, Path: m[2]}
	switch r.Source {
	case Env:
		name, mine := strings.CutPrefix(r.Path, prefix(owner))
		if !mine || !regexp.MustCompile(`^[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*$`).MatchString(name) {
			return Reference{}, notOwned(owner, "variable")
		}
	case File:
		if steps[0] != owner || len(steps) == 1 {
			return Reference{}, notOwned(owner, "file")
		}
		r.Path = strings.Join(steps[1:], "/")
	default:
		return Reference{}, &Error{"the source of the reference to a secret is unknown", "write " + Forms(owner)}
	}
	return r, nil
}

// Forms are the references that an owner can write; for a message.
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

func notOwned(owner, what string) *Error {
	whose := "team " + owner + "'s"
	if owner == Platform {
		whose = "the platform's"
	}
	return &Error{"the reference names a " + what + " that is not " + whose, "write " + Forms(owner)}
}
