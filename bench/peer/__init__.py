"""django-appointment, the peer that `bench.peers` measures against: run by a Python of its own, with its own Django."""
