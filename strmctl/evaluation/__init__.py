"""Tests of a run on many episodes."""
