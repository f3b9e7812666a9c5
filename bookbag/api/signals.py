"""What rooms above the API may listen to."""

from django.dispatch import Signal

# A request has passed method, key, limit and Accept, whatever is said of it further on.
# `view` has looked up what it needed: `view.request`, `view.kwargs`, and the agent as
# `view.agent` where no `agent_id` of the path names it.
admitted = Signal()
