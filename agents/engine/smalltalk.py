"""What needs no knowledge: greetings, thanks, and who is speaking.

Only a message that is nothing else counts: "Hi, do you ship to Canada?" is a question.
"""

import re
from typing import Literal

Kind = Literal[
    "greeting", "well_being", "thanks", "bye", "robot", "who", "human", "yes"
]

LONGEST = 120  # characters: whoever writes more wants something


def kind(text: str) -> Kind | None:
    """The sort of small talk that a message is, or None."""
    if len(text) > LONGEST:
        return None
    plain = " ".join(_CLUTTER.sub(" ", text.casefold().replace("’", "'")).split())
    while plain:
        for found, pattern in _PATTERNS:
            if pattern.fullmatch(plain):
                return found
        # "Hello! Are you a robot?": what comes after the greeting decides.
        rest = _OPENING.sub("", plain, count=1)
        if rest == plain:
            return None
        plain = rest
    return None


def answer(kind: Kind, agent_name: str) -> str:
    me = f"{agent_name}, an automated assistant" if agent_name else "an assistant"
    return {
        "greeting": "Hello! What would you like to know?",
        "well_being": "I'm doing well, thank you. What would you like to know?",
        "thanks": "You're welcome! Is there anything else you would like to know?",
        "bye": "Goodbye, and thank you for stopping by!",
        "robot": (
            f"I'm {me}, not a person. I answer from the sources I was given and"
            " show you where each answer comes from."
        ),
        "who": (
            f"I'm {me}. Ask me a question: I look in the sources I was given, quote"
            " what they say and show you where it stands."
        ),
        "human": (
            "I'm an automated assistant, but a person on the team can help you. Leave"
            " your question here, with a way to reach you, and they will see it."
        ),
        "yes": "All right. What would you like to know?",
    }[kind]


_CLUTTER = re.compile(r"[^\w\s']|_")
_TO_ALL = r"(?: (?:there|all|everyone|everybody|again|team|guys|bot|friend|sir|madam))*"
_THANKS = (
    r"(?:(?:ok|okay|great|perfect|awesome|cool|nice|good|alright|wonderful|super|yes|"
    r"no) )*(?:thanks?|thank you|thx|ty|cheers|much appreciated|many thanks|"
    r"i appreciate it)"
    r"(?: (?:a lot|a bunch|a million|so much|very much|you|again|for (?:your|the) help|"
    r"for that|for everything|that helps|that helped|that's all|bye|"
    r"have a (?:nice|good|great) day))*"
)
_HELLO = (
    r"(?:hi+|hello+|hey+|hiya|howdy|yo|greetings|"
    r"good (?:morning|afternoon|evening|day)|morning|hallo|salut|hola)"
)
_OPENING = re.compile(rf"{_HELLO}{_TO_ALL} |(?:ok|okay|well|so|thanks|thank you) ")
_PERSON = (
    r"(?:(?:a|an|the|some|your|another|any) )?(?:real |actual |live |human )*"
    r"(?:human|person|people|someone|somebody|agent|representative|rep|operator|"
    r"human being|staff|staff member|employee|customer service|customer support|"
    r"support)"
)
_WRITTEN: tuple[tuple[Kind, str], ...] = (
    ("greeting", rf"{_HELLO}{_TO_ALL}(?: {_HELLO}{_TO_ALL})?"),
    (
        "well_being",
        r"(?:how are you(?: doing)?(?: today)?|how's it going|how do you do|"
        r"what's up|whats up|sup|are you (?:ok|well)|nice to meet you)",
    ),
    (
        "thanks",
        rf"{_THANKS}|(?:great|perfect|awesome|cool|nice|good)(?: job| work| one)?|"
        r"that (?:helps|helped|was helpful|is helpful)|(?:you're|you are) (?:great|"
        r"awesome|the best)|good bot",
    ),
    (
        "bye",
        r"(?:good ?bye|bye(?: bye)?|see you(?: later| soon)?|see ya|good ?night|"
        r"farewell|take care|have a (?:nice|good|great) (?:day|one|evening)|"
        r"that's all|that is all|nothing else)(?: now| for now| then)?",
    ),
    (
        "robot",
        r"(?:are|r) (?:you|u) (?:really |actually )?(?:a |an )?"
        r"(?:real |live |actual )*(?:robot|bot|human|person|ai|machine|computer|"
        r"program|chatbot|human being)"
        r"(?: or (?:a |an )?(?:real )?(?:human|person|bot|robot|machine))?|"
        r"(?:is this|am i (?:talking|chatting|speaking) (?:to|with)) (?:a |an )?"
        r"(?:real )?(?:bot|robot|human|person|ai|machine|chatbot)"
        r"(?: or (?:a |an )?(?:human|person|bot|robot|machine))?|are you real",
    ),
    (
        "who",
        r"(?:who|what) are you|what(?:'s| is) your name|"
        r"what (?:can|do) you do(?: for me)?|what can (?:i|you) (?:ask|help)"
        r"(?: you| me)?(?: with)?|how (?:can|do) you (?:help|work)(?: me)?|"
        r"(?:can|could) you help(?: me)?(?: please)?|help(?: me)?(?: please)?|"
        r"i (?:need|want) (?:some )?help|i have (?:a|some) questions?|"
        r"can i ask (?:you )?(?:a question|something)|introduce yourself",
    ),
    (
        "human",
        r"(?:(?:please )?(?:can|could|may) (?:i|you|we) (?:please )?|"
        r"i(?:'d| would) like to |i (?:want|need|wish) to |let me |please |i must )?"
        r"(?:talk|speak|chat|connect|transfer|get|put|hand|pass|escalate)"
        rf"(?: me)?(?: over)?(?: through)?(?: (?:to|with))? {_PERSON}(?: please)?|"
        rf"(?:i (?:want|need)|get me|is there) {_PERSON}(?: here)?(?: please)?"
        rf"(?: (?:i can|to) (?:talk|speak)(?: (?:to|with))?)?|{_PERSON}(?: please)?",
    ),
    (
        "yes",
        r"(?:ok|okay|k|yes|no|yep|yeah|nope|sure|alright|all right|fine|i see|"
        r"got it)",
    ),
)
_PATTERNS = [(kind, re.compile(pattern)) for kind, pattern in _WRITTEN]
