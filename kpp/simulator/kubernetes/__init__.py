"""The Kubernetes API of the simulated cluster: objects, controllers, HTTP, kubeconfig."""
