"""What the service's speed is measured against; `python -m bench` runs it all. How to read it: docs/performance.md."""
