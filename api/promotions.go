// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// promotionRequest remembers which promotion a request id led to, and for what
// request.
type promotionRequest struct {
	Promotion string `json:"promotion"`
	Digest    string `json:"digest"` // of the request's body
}

// CreatePromotion implements POST /promotions. The signal names the promotion's
// record, and a repeated request id leads to the same record, so that a
// repeated request promotes once; it signals again in case that the first
// signal was lost.
func (s *Server) CreatePromotion(ctx context.Context, r gen.CreatePromotionRequestObject) (gen.CreatePromotionResponseObject, error) {
	if r.Body.PlanID != "" {
		if _, err := s.visiblePlan(ctx, r.Body.PlanID); err != nil {
			return nil, err
		}
	}
	// Asked first, so that no record is left which nobody will take up.
	if err := s.d.Temporal.Ready(ctx); err != nil {
		return nil, err
	}
	promotion, err := s.promotionOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if promotion.Deployment == "" && promotion.Refused == "" {
		signal := contract.PromoteSignal{Promotion: promotion.ID, Principal: promotion.Principal}
		if err := s.d.Temporal.Promote(ctx, promotion.Team, promotion.Application, signal); err != nil {
			return nil, err
		}
	}
	return gen.CreatePromotion202JSONResponse{
		Body: promotion, Headers: gen.CreatePromotion202ResponseHeaders{Location: "/api/v1/promotions/" + promotion.ID},
	}, nil
}

// promotionOf finds the record that the request id led to, or writes one.
func (s *Server) promotionOf(ctx context.Context, r gen.CreatePromotionRequestObject) (orchestrator.Promotion, error) {
	key := r.Params.IdempotencyKey
	if key == "" {
		return s.newPromotion(ctx, *r.Body)
	}
	digest, err := canonical.Digest(r.Body)
	if err != nil {
		return orchestrator.Promotion{}, err
	}
	at := store.Key{Partition: "api/promotion-requests/" + r.Body.Team + "/" + r.Body.Application, Sort: key}
	known, err := s.knownPromotion(ctx, at, digest)
	if !errors.Is(err, store.ErrNotFound) {
		return known, err
	}
	promotion, err := s.newPromotion(ctx, *r.Body)
	if err != nil {
		return promotion, err
	}
	data, err := json.Marshal(promotionRequest{Promotion: promotion.ID, Digest: digest})
	if err != nil {
		return promotion, fmt.Errorf("encode the request id: %w", err)
	}
	_, err = s.d.Store.Write(ctx, store.Batch{Principal: auth.From(ctx).Name, Ops: []store.Op{store.Create(at, data)}})
	if errors.Is(err, store.ErrConflict) {
		// The same request at the same time: the first one's record counts, and
		// nobody is told of this one.
		return s.knownPromotion(ctx, at, digest)
	}
	return promotion, err
}

func (s *Server) knownPromotion(ctx context.Context, at store.Key, digest string) (orchestrator.Promotion, error) {
	document, err := s.d.Store.Get(ctx, at)
	if err != nil {
		return orchestrator.Promotion{}, err
	}
	var known promotionRequest
	if err := document.Decode(&known); err != nil {
		return orchestrator.Promotion{}, err
	}
	if known.Digest != digest {
		return orchestrator.Promotion{}, problem.New(problem.TypeConflict,
			"the Idempotency-Key was used for another promotion; use a new key for a new request")
	}
	promotion, err := s.d.Records.GetPromotion(ctx, known.Promotion)
	if errors.Is(err, store.ErrNotFound) {
		return promotion, fmt.Errorf("request id %s leads to promotion %s, which is not there", at.Sort, known.Promotion)
	}
	return promotion, err
}

func (s *Server) newPromotion(ctx context.Context, body gen.CreatePromotionJSONRequestBody) (orchestrator.Promotion, error) {
	return s.d.Compiler.Promotion(ctx, auth.From(ctx).Name, compile.PromotionRequest{
		Team: body.Team, Application: body.Application, From: body.From, To: body.To,
		PlanID: body.PlanID, AutoApprove: body.AutoApprove,
		OnFailure: cmp.Or(body.OnFailure, orchestrator.OnFailureRollback),
	})
}

// GetPromotion implements GET /promotions/{id}.
func (s *Server) GetPromotion(ctx context.Context, r gen.GetPromotionRequestObject) (gen.GetPromotionResponseObject, error) {
	promotion, err := s.d.Records.GetPromotion(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if err := visibleTeam(ctx, promotion.Team, "promotion "+r.ID); err != nil {
		return nil, err
	}
	return gen.GetPromotion200JSONResponse(promotion), nil
}
