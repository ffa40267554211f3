"""The simulated cluster: an application, its physics, and the interfaces that real tools believe."""
