"""kpp, the Kubernetes performance predictor: measure a microservice application, learn it, predict it."""

from importlib.metadata import version

__version__ = version("kpp")
