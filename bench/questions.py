"""What the measured agent is asked, and how long it answers."""

SHORT = "Tell me something short"
LONG = "Tell me something long"
# A Q&A source is quoted whole, so its answer has as many words as we like.
WORDS = {SHORT: 10, LONG: 130}
KNOWN = "Do you ship to Canada?"
# The client puts its own number in: the agent has never heard any of these.
NEW = "Do you ship parcel 00000000 to Canada?"
