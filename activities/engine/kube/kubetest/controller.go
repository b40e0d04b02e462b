// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Modes of a thing; see the package comment.
const (
	modeFailCreate = "fail-create"
	modeFailSet    = "fail-set"
	modeHold       = "hold"
)

// Finalizer lets the controller see a deletion.
const Finalizer = Group + "/ledger"

// Intervals of the controller.
const (
	holdPoll  = 50 * time.Millisecond
	retryPoll = 200 * time.Millisecond
)

// controller keeps the ledgers of one namespace's things. Its one goroutine
// alone touches made.
type controller struct {
	things dynamic.ResourceInterface
	queue  workqueue.TypedDelayingInterface[string]
	made   map[types.UID]*record
}

// record is what the ledger says of one thing.
type record struct {
	destroyed bool
	set       bool
	size      int64
	// updating says that the size was set anew and nobody was told yet.
	updating bool
}

// Control runs the controller in a namespace until stop is called, which
// returns once it has ended. A namespace has one controller at most.
func Control(config *rest.Config, namespace string) (stop func(), err error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("control things: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &controller{
		things: client.Resource(GVR()).Namespace(namespace),
		queue:  workqueue.NewTypedDelayingQueue[string](),
		made:   map[types.UID]*record{},
	}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	enqueue := func(o any) {
		if tombstone, gone := o.(cache.DeletedFinalStateUnknown); gone {
			o = tombstone.Obj
		}
		if thing, ok := o.(*unstructured.Unstructured); ok {
			c.queue.Add(thing.GetName())
		}
	}
	_, err = factory.ForResource(GVR()).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, o any) { enqueue(o) }, DeleteFunc: enqueue,
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("control things: %w", err)
	}
	factory.Start(ctx.Done())
	var running sync.WaitGroup
	running.Go(func() { c.run(ctx) })
	return func() {
		cancel()
		c.queue.ShutDown()
		running.Wait()
		factory.Shutdown()
	}, nil
}

func (c *controller) run(ctx context.Context) {
	for {
		name, over := c.queue.Get()
		if over {
			return
		}
		again, err := c.reconcile(ctx, name)
		if err != nil {
			again = retryPoll // a conflict, or a server that is busy
		}
		if again > 0 {
			c.queue.AddAfter(name, again)
		}
		c.queue.Done(name)
	}
}

// reconcile brings the ledger and a thing's status up to what its spec says,
// and says when to look again.
func (c *controller) reconcile(ctx context.Context, name string) (again time.Duration, err error) {
	thing, err := c.things.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	spec := specOf(thing)
	if thing.GetDeletionTimestamp() != nil {
		return c.destroy(ctx, thing, spec)
	}
	made := c.made[thing.GetUID()]
	if made == nil {
		if err := spec.note("create %s", spec.name); err != nil {
			return 0, err
		}
		made = &record{}
		c.made[thing.GetUID()] = made
	}
	if !slices.Contains(thing.GetFinalizers(), Finalizer) {
		thing.SetFinalizers(append(thing.GetFinalizers(), Finalizer))
		if thing, err = c.things.Update(ctx, thing, metav1.UpdateOptions{}); err != nil {
			return 0, err
		}
	}
	if !made.set && spec.mode == modeHold && spec.held("hold") {
		return holdPoll, c.report(ctx, thing, made, progressing("Creating", "held back by the file \"hold\""))
	}
	if !made.set || made.size != spec.size {
		if spec.mode == modeFailSet {
			return 0, c.report(ctx, thing, made, stalled("QuotaExceeded", "quota exceeded"))
		}
		if err := spec.note("set %s %d", spec.name, spec.size); err != nil {
			return 0, err
		}
		made.updating = made.set
		made.set, made.size = true, spec.size
	}
	if made.updating && spec.held("hold-set") {
		return holdPoll, c.report(ctx, thing, made, progressing("Updating", "held back by the file \"hold-set\""))
	}
	made.updating = false
	return 0, c.report(ctx, thing, made, ready())
}

func (c *controller) destroy(ctx context.Context, thing *unstructured.Unstructured, spec spec) (again time.Duration, err error) {
	at := slices.Index(thing.GetFinalizers(), Finalizer)
	if at < 0 {
		return 0, nil
	}
	if made := c.made[thing.GetUID()]; made == nil || !made.destroyed {
		if err := spec.note("destroy %s", spec.name); err != nil {
			return 0, err
		}
		c.made[thing.GetUID()] = &record{destroyed: true}
	}
	if spec.held("hold-destroy") {
		return holdPoll, nil
	}
	thing.SetFinalizers(slices.Delete(thing.GetFinalizers(), at, at+1))
	_, err = c.things.Update(ctx, thing, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	return 0, err
}

// spec is the part of a thing's spec that the controller acts on.
type spec struct {
	world, name, mode string
	size              int64
}

func specOf(thing *unstructured.Unstructured) spec {
	var s spec
	// The schema vouches for the types.
	s.world, _, _ = unstructured.NestedString(thing.Object, "spec", "world")
	s.name, _, _ = unstructured.NestedString(thing.Object, "spec", "name")
	s.mode, _, _ = unstructured.NestedString(thing.Object, "spec", "mode")
	s.size, _, _ = unstructured.NestedInt64(thing.Object, "spec", "size")
	return s
}

// held says that a file of the world holds things up.
func (s spec) held(file string) bool {
	_, err := os.Stat(filepath.Join(s.world, file))
	return s.world != "" && err == nil
}

// note appends a line to the ledger. A world that is gone belongs to a test that
// is over.
func (s spec) note(format string, args ...any) error {
	if s.world == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(s.world, "ledger"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, format+"\n", args...)
	return errors.Join(err, f.Close())
}
