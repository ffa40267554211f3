"""What the simulated cluster exposes: Istio's sidecars, cAdvisor and kube-state-metrics, by their real names.

Each source gives `Block`s; `text` writes them for a real Prometheus, `kpp.simulator.scraping` stores them in
the embedded one.
"""
