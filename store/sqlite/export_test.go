// SPDX-License-Identifier: Apache-2.0

package sqlite

import "io/fs"

// WithMigrations replaces the steps of the schema: those of another release.
func WithMigrations(files fs.FS) Option {
	return func(o *options) { o.migrations = files }
}

// Migrations are the steps of this release.
func Migrations() fs.FS { return migrationFiles }
