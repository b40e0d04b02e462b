// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
)

// Limits of a client towards one API server, whose own priority and fairness
// decides when it has too much to do.
const (
	clientQPS   = 400
	clientBurst = 800
)

// userAgent names this client in the API server's audit log.
const userAgent = "nestor"

// restConfig reads how a cluster is reached. Secrets of the kubeconfig are
// taught to the mask.
func restConfig(access engine.Cluster, env map[string]string, mask *Mask) (*rest.Config, error) {
	if access.InCluster {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("the worker has no service account to reach it with: %w", err)
		}
		return tuned(config), nil
	}
	if len(access.Kubeconfig) == 0 {
		return nil, errors.New("it has no kubeconfig; set clusters.<name>.kubeconfig in the environment, or inCluster")
	}
	// What a kubeconfig holds may not be repeated in a message.
	file, err := clientcmd.Load(access.Kubeconfig)
	if err != nil {
		return nil, errors.New("its kubeconfig cannot be read: it is no valid kubeconfig file")
	}
	for _, user := range file.AuthInfos {
		mask.Learn([]any{user.Token, user.Password, string(user.ClientKeyData)})
		if user.Exec != nil {
			user.Exec.Env = append(user.Exec.Env, execEnviron(env)...)
			user.Exec.InteractiveMode = clientcmdapi.NeverExecInteractiveMode
		}
	}
	if access.Context != "" && file.Contexts[access.Context] == nil {
		return nil, fmt.Errorf("its kubeconfig has no context %q", access.Context)
	}
	loader := clientcmd.NewNonInteractiveClientConfig(*file, access.Context, &clientcmd.ConfigOverrides{}, nil)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("its kubeconfig cannot be used: %s", mask.Text(err.Error()))
	}
	return tuned(config), nil
}

func tuned(config *rest.Config) *rest.Config {
	config.QPS, config.Burst = clientQPS, clientBurst
	config.UserAgent = userAgent
	config.WarningHandler = rest.NoWarnings{}
	return config
}

// execEnviron gives a credential plugin what the environment's other programs
// get.
func execEnviron(env map[string]string) []clientcmdapi.ExecEnvVar {
	out := make([]clientcmdapi.ExecEnvVar, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, clientcmdapi.ExecEnvVar{Name: name, Value: env[name]})
	}
	return out
}
