// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/internal/devserver"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// probe asks the children whether they serve.
type probe struct {
	client *http.Client
	ports  Ports
}

func newProbe(ports Ports) *probe {
	return &probe{
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
		ports:  ports,
	}
}

// temporal serves when its namespace can be read (which asks the frontend and
// the database) and the Web UI answers.
func (p *probe) temporal(ctx context.Context, _ int) error {
	if _, err := p.get(ctx, p.ports.temporalHTTP, "/api/v1/namespaces/"+devserver.Namespace); err != nil {
		return err
	}
	_, err := p.get(ctx, p.ports.UI, "/")
	return err
}

// api serves when it says so itself; it then has seen the store and Temporal.
func (p *probe) api(ctx context.Context, _ int) error {
	_, err := p.get(ctx, p.ports.API, "/readyz")
	return err
}

// worker serves when Temporal has seen the process ask for workflows.
func (p *probe) worker(ctx context.Context, pid int) error {
	body, err := p.get(ctx, p.ports.temporalHTTP, "/api/v1/namespaces/"+devserver.Namespace+
		"/task-queues/"+contract.QueueControl+"?taskQueueType=TASK_QUEUE_TYPE_WORKFLOW")
	if err != nil {
		return err
	}
	var queue struct {
		Pollers []struct {
			Identity string `json:"identity"`
		} `json:"pollers"`
	}
	if err := json.Unmarshal(body, &queue); err != nil {
		return fmt.Errorf("read Temporal's answer: %w", err)
	}
	prefix := strconv.Itoa(pid) + "@"
	for _, poller := range queue.Pollers {
		if strings.HasPrefix(poller.Identity, prefix) {
			return nil
		}
	}
	return errors.New("no worker asks for work yet")
}

func (p *probe) get(ctx context.Context, port int, path string) (body []byte, err error) {
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", url, response.Status, strings.TrimSpace(string(body[:min(len(body), 300)])))
	}
	return body, nil
}
