"""Small trainings side by side, with one seed and one budget: what one choice changes, and nothing else."""
