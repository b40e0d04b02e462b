// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// pollerFresh is how long a worker counts as being there after it last asked
// for work: a long poll takes up to a minute.
const pollerFresh = 90 * time.Second

// QueueDescriber looks at a task queue; a Temporal client does.
type QueueDescriber interface {
	DescribeTaskQueue(ctx context.Context, queue string, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error)
}

// Served says whether a worker serves a queue.
func (c *Control) Served(ctx context.Context, in contract.ServedInput) (contract.ServedResult, error) {
	served, err := c.served(ctx, in.Queue)
	return contract.ServedResult{Served: served}, toTemporal(err)
}

// served looks for workers that asked for work lately. One whose slots are all
// taken asks for no activity, but for workflows as ever.
func (c *Control) served(ctx context.Context, queue string) (bool, error) {
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		res, err := c.Queues.DescribeTaskQueue(ctx, queue, kind)
		if err != nil {
			return false, fmt.Errorf("describe task queue %s: %w", queue, err)
		}
		for _, poller := range res.GetPollers() {
			if time.Since(poller.GetLastAccessTime().AsTime()) < pollerFresh {
				return true, nil
			}
		}
	}
	return false, nil
}

// unserved says which of the queues no worker serves; empty when all are
// served.
func (c *Control) unserved(ctx context.Context, queues []string) (string, error) {
	var why []string
	for _, queue := range queues {
		served, err := c.served(ctx, queue)
		if err != nil {
			return "", err
		}
		if !served {
			why = append(why, contract.NoWorker(queue))
		}
	}
	return strings.Join(why, "; "), nil
}
