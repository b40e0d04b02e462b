// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/HatiCode/nestor/activities/engine"
)

// failure is where an error was met.
type failure struct {
	engine, cluster, resource string
	reading                   bool
}

func (f failure) explain(err error) *engine.Error {
	if e, ok := engine.AsError(err); ok {
		shown := *e
		return &shown
	}
	class, message := f.sort(err)
	if f.reading && class == engine.Rejected {
		class = engine.Unreadable
	}
	return &engine.Error{Class: class, Engine: f.engine, Resource: f.resource, Message: shorten(message), Err: err}
}

func (f failure) sort(err error) (engine.Class, string) {
	var api apierrors.APIStatus
	switch {
	case errors.Is(err, context.Canceled):
		return engine.Canceled, "stopped as asked"
	case meta.IsNoMatchError(err):
		return engine.Invalid, f.noKind(err)
	case errors.As(err, &api):
		return f.sortStatus(err, api.Status())
	default:
		return f.sortTransport(err)
	}
}

func (f failure) noKind(err error) string {
	const cure = "; install what defines it (a CRD, or Crossplane's XRD or provider), or correct apiVersion and kind"
	var kind *meta.NoKindMatchError
	if errors.As(err, &kind) {
		version := strings.Join(kind.SearchedVersions, ", ")
		return fmt.Sprintf("%s has no kind %s in %s", f.cluster, kind.GroupKind.Kind,
			strings.Trim(kind.GroupKind.Group+"/"+version, "/")) + cure
	}
	return fmt.Sprintf("%s has no such kind: %v", f.cluster, err) + cure
}

// sortStatus sorts what the API server answered.
func (f failure) sortStatus(err error, s metav1.Status) (engine.Class, string) {
	said := s.Message
	switch {
	case apierrors.IsUnauthorized(err):
		return engine.Rejected, f.cluster + " refuses the credentials: they have expired or are invalid; renew the kubeconfig (or the token) that the environment refers to"
	case apierrors.IsForbidden(err):
		return f.sortForbidden(err, said)
	case denied(said):
		return engine.Rejected, said
	case apierrors.IsNotFound(err):
		return f.sortNotFound(s)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return engine.Transient, "somebody else changed it at the same time: " + said
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err),
		apierrors.IsMethodNotSupported(err), apierrors.IsUnsupportedMediaType(err), apierrors.IsNotAcceptable(err):
		return engine.Invalid, said
	case apierrors.IsTooManyRequests(err):
		return engine.Transient, fmt.Sprintf("%s has too much to do and throttles: %s", f.cluster, said)
	case apierrors.IsGone(err), apierrors.IsResourceExpired(err), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err),
		s.Code >= http.StatusInternalServerError, s.Code == 0:
		return engine.Transient, fmt.Sprintf("%s answers: %s", f.cluster, said)
	default:
		return engine.Rejected, said
	}
}

func (f failure) sortForbidden(err error, said string) (engine.Class, string) {
	switch {
	case apierrors.HasStatusCause(err, "NamespaceTerminating"):
		return engine.Transient, "its namespace is being deleted: " + said
	case denied(said), strings.Contains(said, "exceeded quota"), strings.Contains(said, "violates PodSecurity"):
		return engine.Rejected, said
	default:
		return engine.Rejected, said + "; grant it to the account that the environment's kubeconfig belongs to"
	}
}

// denied says that an admission policy or webhook refused.
func denied(said string) bool {
	return strings.Contains(said, "denied the request") || strings.Contains(said, "denied request")
}

func (f failure) sortNotFound(s metav1.Status) (engine.Class, string) {
	switch {
	case s.Details == nil || s.Details.Name == "":
		return engine.Invalid, fmt.Sprintf("%s does not know the kind: %s", f.cluster, s.Message)
	case s.Details.Kind == "namespaces":
		return engine.Invalid, fmt.Sprintf("%s has no namespace %s; create it, or set createNamespace in the definition", f.cluster, s.Details.Name)
	default:
		return engine.Rejected, s.Message
	}
}

// sortTransport sorts what kept an answer from coming.
func (f failure) sortTransport(err error) (engine.Class, string) {
	var (
		unknownCA x509.UnknownAuthorityError
		hostname  x509.HostnameError
		expired   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		network   net.Error
		call      *url.Error
	)
	cause := err
	if errors.As(err, &call) {
		cause = call.Err // without the URL, which may name more than it should
	}
	switch {
	case errors.As(err, &unknownCA), errors.As(err, &hostname), errors.As(err, &expired), errors.As(err, &verify):
		return engine.Rejected, fmt.Sprintf("the certificate of %s is not trusted: %v; correct certificate-authority-data or the server's name in the kubeconfig", f.cluster, cause)
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return engine.Rejected, fmt.Sprintf("%s refuses the client certificate: %v; renew the kubeconfig", f.cluster, cause)
	case errors.As(err, &record):
		return engine.Invalid, fmt.Sprintf("%s does not speak TLS at the address that the kubeconfig names: %v", f.cluster, cause)
	case strings.Contains(err.Error(), "getting credentials"):
		return engine.Rejected, fmt.Sprintf("the credential plugin of the kubeconfig of %s failed: %v", f.cluster, cause)
	case errors.As(err, &dns), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &network), call != nil:
		return engine.Transient, fmt.Sprintf("%s cannot be reached: %v", f.cluster, cause)
	default:
		return engine.Rejected, err.Error()
	}
}

// maxMessage bounds what is kept of a server's words.
const maxMessage = 800

// shorten makes one paragraph of at most maxMessage bytes.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + " …"
}
