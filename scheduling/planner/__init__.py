"""What we decide: pure Python, facts in, answers out.

No clock, no database, no settings, nothing of ours from outside this package.
"""
