// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"fmt"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// The layout of the records. One partition holds what is listed together.
//
//	environments                 <name>                      Environment
//	plans/<id>                   plan | node/<node>          Plan, NodePlan
//	promotions/<id>              promotion                   Promotion
//	scopes/<team>                <application>/<environment> scopeRecord
//	requests/<team>/<app>/<env>  <request id>                requestRecord
//	deployments/<scope>          <n>                         Deployment
//	deployment-index/<team>      <time>/<id>                 indexRecord
//	open/<team>/<application>    <environment>/<n>           indexRecord, while the deployment is not over
//	runs/<deployment>            <node>                      NodeRun
//	fences/<scope>               <node>                      fenceRecord; its revision is the fence
//	leases/<scope>               <node>                      Tenure of a step that takes longer
//	claims/<engine>              <key>                       claimRecord
//	heads/<scope>                <node>                      NodeHead
//	values/<scope>               <node>/inputs | outputs     valuesRecord
//	values/<scope>               <node>/snapshot/<n>/…       the same of a snapshot
//	events/<deployment>          stream of Event
//	logs/<deployment>            stream of LogChunk
//	drift-heads/<team>           <application>/<environment> driftHead
//	drifts/<scope>               <id>                        Drift
//	deployed/<environment>       <team>/<application>        Scope, while something of it is deployed
//	log-retention                <time>/<deployment>         indexRecord
//
// and in the blob store: graphs/<digest>, and adoptions/<scope>/<digest of the
// request id> for states that are to be adopted, sealed.

func environmentKey(name string) store.Key {
	return store.Key{Partition: "environments", Sort: name}
}

func planKey(id string) store.Key {
	return store.Key{Partition: "plans/" + id, Sort: "plan"}
}

func planNodeKey(id, node string) store.Key {
	return store.Key{Partition: "plans/" + id, Sort: planNodePrefix + node}
}

const planNodePrefix = "node/"

func promotionKey(id string) store.Key {
	return store.Key{Partition: "promotions/" + id, Sort: "promotion"}
}

func scopeKey(s orchestrator.Scope) store.Key {
	return store.Key{Partition: "scopes/" + s.Team, Sort: s.Application + "/" + s.Environment}
}

func requestKey(s orchestrator.Scope, id string) store.Key {
	return store.Key{Partition: "requests/" + s.String(), Sort: id}
}

func deploymentKey(s orchestrator.Scope, n int64) store.Key {
	return store.Key{Partition: "deployments/" + s.String(), Sort: sortable(n)}
}

func deploymentIndexKey(team string, at time.Time, id string) store.Key {
	return store.Key{Partition: "deployment-index/" + team, Sort: sortable(at.UnixNano()) + "/" + id}
}

func openKey(s orchestrator.Scope, n int64) store.Key {
	return store.Key{Partition: openPartition(s.Team, s.Application), Sort: s.Environment + "/" + sortable(n)}
}

func openPartition(team, application string) string { return "open/" + team + "/" + application }

func driftHeadKey(s orchestrator.Scope) store.Key {
	return store.Key{Partition: "drift-heads/" + s.Team, Sort: s.Application + "/" + s.Environment}
}

func driftKey(s orchestrator.Scope, id string) store.Key {
	return store.Key{Partition: "drifts/" + s.String(), Sort: id}
}

func deployedKey(s orchestrator.Scope) store.Key {
	return store.Key{Partition: "deployed/" + s.Environment, Sort: s.Team + "/" + s.Application}
}

func runKey(deployment, node string) store.Key {
	return store.Key{Partition: "runs/" + deployment, Sort: node}
}

func fenceKey(s orchestrator.Scope, node string) store.Key {
	return store.Key{Partition: "fences/" + s.String(), Sort: node}
}

func leaseKey(s orchestrator.Scope, node string) store.Key {
	return store.Key{Partition: leasePartition(s), Sort: node}
}

func leasePartition(s orchestrator.Scope) string { return "leases/" + s.String() }

func claimKey(c orchestrator.Claim) store.Key {
	return store.Key{Partition: claimPartition + c.Engine, Sort: c.Key}
}

const claimPartition = "claims/"

func headKey(s orchestrator.Scope, node string) store.Key {
	return store.Key{Partition: "heads/" + s.String(), Sort: node}
}

func valuesKey(s orchestrator.Scope, node, which string) store.Key {
	return store.Key{Partition: "values/" + s.String(), Sort: node + "/" + which}
}

func retentionKey(at time.Time, deployment string) store.Key {
	return store.Key{Partition: retentionPartition, Sort: sortable(at.UnixNano()) + "/" + deployment}
}

const retentionPartition = "log-retention"

// EventStream is the store stream that holds a deployment's events.
func EventStream(deployment string) string { return "events/" + deployment }

// LogStream is the store stream that holds a deployment's log chunks.
func LogStream(deployment string) string { return "logs/" + deployment }

func graphKey(digest string) string { return "graphs/" + digest }

// sortable writes a number so that its order is bytewise.
func sortable(n int64) string { return fmt.Sprintf("%019d", n) }
