"""What moves the cluster by itself: Deployments, ReplicaSets, scheduler, kubelet, garbage collection."""
