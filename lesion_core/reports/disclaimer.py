"""What every page, card and report says of itself."""

DISCLAIMER = "For research and teaching. Not a medical device: never use it to decide about a person."
