"""What several tests share: servers, cases, comparisons. Each module says which tests use it."""
