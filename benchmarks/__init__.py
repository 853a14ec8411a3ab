"""Side by side with what a user would pick instead: each module prints ratios that were measured in one run."""
