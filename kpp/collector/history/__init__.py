"""Tables from what a Prometheus holds already, without an experiment and without the cluster."""
