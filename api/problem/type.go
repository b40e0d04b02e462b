// SPDX-License-Identifier: Apache-2.0

package problem

// prefix begins every type; what follows is stable.
const prefix = "urn:nestor:problem:"

// The types of problems.
const (
	// TypeInvalid: a file of the request is wrong; Problems says where.
	TypeInvalid = prefix + "invalid"
	// TypeBadRequest: the request itself is malformed.
	TypeBadRequest = prefix + "bad-request"
	// TypeUnauthorized: no token, or one that is not known.
	TypeUnauthorized = prefix + "unauthorized"
	// TypeForbidden: the principal may not do this.
	TypeForbidden = prefix + "forbidden"
	// TypeNotFound: there is no such thing, or it is not the caller's.
	TypeNotFound = prefix + "not-found"
	// TypeMethodNotAllowed: the path exists, the method does not.
	TypeMethodNotAllowed = prefix + "method-not-allowed"
	// TypeImmutable: a published version cannot get other content.
	TypeImmutable = prefix + "immutable"
	// TypeConflict: it does not fit what is there now.
	TypeConflict = prefix + "conflict"
	// TypePreconditionFailed: somebody else changed it meanwhile.
	TypePreconditionFailed = prefix + "precondition-failed"
	// TypeTooLarge: the body or a record is over a limit.
	TypeTooLarge = prefix + "too-large"
	// TypeUnsupportedMediaType: the body is not JSON.
	TypeUnsupportedMediaType = prefix + "unsupported-media-type"
	// TypeUnavailable: something the server needs is down; try again later.
	TypeUnavailable = prefix + "unavailable"
	// TypeInternal: a mistake of the server; its log has the instance.
	TypeInternal = prefix + "internal"
	// TypeUnexpected is the client's own: something other than Nestor answered.
	TypeUnexpected = prefix + "unexpected"
)
