// SPDX-License-Identifier: Apache-2.0

// Package devserver knows how Nestor wants the Temporal dev server: on a file,
// tuned for chains of short steps, with the search attributes of its
// workflows. `nestor dev`, the tests and the benchmarks start it the same way.
package devserver

import (
	"strconv"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// Namespace is where the workflows run.
const Namespace = "default"

// Options of a dev server on the loopback interface.
type Options struct {
	// File of the database; empty keeps everything in memory.
	File string
	// Port of the frontend, HTTPPort of its HTTP API, UIPort of the Web UI;
	// UIPort 0 starts none.
	Port, HTTPPort, UIPort int
	// CodecEndpoint is where the Web UI has payloads decoded; empty: nowhere.
	CodecEndpoint string
	// Namespaces beside Namespace; tests keep apart with them.
	Namespaces []string
	// Settings of the dynamic configuration beside Nestor's, as "key=value".
	Settings []string
}

// setting is a value of Temporal's dynamic configuration.
type setting struct{ key, value string }

// settings make a chain of short steps fast. The dev server has one history
// shard and polls its queues 20 times a second, and it may fire a timer up to a
// second late. They also make it share workers fairly among teams; see ADR 26.
// deploy/temporal/dynamicconfig.yaml holds the same values.
func settings() []setting {
	return []setting{
		{"history.transferProcessorMaxPollRPS", "1000"},
		{"history.timerProcessorMaxPollRPS", "1000"},
		{"history.visibilityProcessorMaxPollRPS", "1000"},
		{"history.timerProcessorMaxTimeShift", `"1ms"`},
		{"matching.numTaskqueueReadPartitions", "1"},
		{"matching.numTaskqueueWritePartitions", "1"},
		{"matching.enableFairness", "true"},
		{"system.enableActivityEagerExecution", "true"},
	}
}

// Args for the `temporal` program.
func Args(o Options) []string {
	args := []string{
		"server", "start-dev",
		"--ip", "127.0.0.1",
		"--port", strconv.Itoa(o.Port),
		"--http-port", strconv.Itoa(o.HTTPPort),
		"--namespace", Namespace,
		"--log-level", "warn",
		"--log-format", "json",
	}
	for _, namespace := range o.Namespaces {
		args = append(args, "--namespace", namespace)
	}
	if o.UIPort > 0 {
		args = append(args, "--ui-port", strconv.Itoa(o.UIPort))
		if o.CodecEndpoint != "" {
			args = append(args, "--ui-codec-endpoint", o.CodecEndpoint)
		}
	} else {
		args = append(args, "--headless")
	}
	if o.File != "" {
		args = append(args, "--db-filename", o.File,
			"--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL")
	}
	for _, s := range settings() {
		args = append(args, "--dynamic-config-value", s.key+"="+s.value)
	}
	for _, s := range o.Settings {
		args = append(args, "--dynamic-config-value", s)
	}
	for _, name := range contract.SearchAttributes() {
		args = append(args, "--search-attribute", name+"=Keyword")
	}
	return args
}
