"""The page Lessons: what a lesson asks, what the chosen run answers, and the teacher's sheet."""
