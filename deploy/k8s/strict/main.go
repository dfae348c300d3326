// Strict reads Kubernetes manifests from standard input and decodes each into the type of the API,
// without unknown fields: a misspelt key, which a cluster would drop without a word, is an error. It
// is a module of its own, so that the product does not depend on Kubernetes.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// kinds makes an empty object of a kind; nil if the kind is unknown.
func kinds(kind string) any {
	switch kind {
	case "v1/ConfigMap":
		return &corev1.ConfigMap{}
	case "v1/Pod":
		return &corev1.Pod{}
	case "v1/Secret":
		return &corev1.Secret{}
	case "v1/Service":
		return &corev1.Service{}
	case "v1/ServiceAccount":
		return &corev1.ServiceAccount{}
	case "apps/v1/StatefulSet":
		return &appsv1.StatefulSet{}
	case "batch/v1/Job":
		return &batchv1.Job{}
	case "networking.k8s.io/v1/Ingress":
		return &networkingv1.Ingress{}
	case "networking.k8s.io/v1/NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "policy/v1/PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	}
	return nil
}

func main() {
	text, err := io.ReadAll(io.LimitReader(os.Stdin, 16<<20))
	if err == nil {
		err = check(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "strict:", err)
		os.Exit(1)
	}
}

func check(text []byte) error {
	n := 0
	for part := range bytes.SplitSeq(text, []byte("\n---")) {
		var head struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		if err := yaml.Unmarshal(part, &head); err != nil {
			return err
		}
		if head.Kind == "" {
			continue
		}
		n++
		if strings.HasPrefix(head.APIVersion, "monitoring.coreos.com/") { // a custom resource; the rules in it are promtool's to check
			continue
		}
		object := kinds(head.APIVersion + "/" + head.Kind)
		if object == nil {
			return fmt.Errorf("%s %s: the kind %s/%s is not known here", head.Kind, head.Metadata.Name, head.APIVersion, head.Kind)
		}
		if err := yaml.UnmarshalStrict(part, object); err != nil {
			return fmt.Errorf("%s %s: %w", head.Kind, head.Metadata.Name, err)
		}
	}
	fmt.Println(n, "objects")
	return nil
}
