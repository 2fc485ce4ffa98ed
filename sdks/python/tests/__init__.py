"""Tests of the Python SDK. `test.sh` runs them; `fake` and `server` are what they call."""
