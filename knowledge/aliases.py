"""Everyday words that mean the same to people who ask and people who write policies.

Small and general on purpose: what holds in a shop, an office and a clinic alike. A
line is one meaning; a phrase of several words is looked for as such in questions.
"""

import re
from functools import cache

from knowledge.lexical import stem, terms, words

_SAME = """
ship shipping deliver delivery postage dispatch courier
return returns|send back|bring back|give back|take back
refund|money back|reimburse reimbursement|get back money
exchange swap replace replacement|change for
cost costs price charge fee fare rate|how much|how expensive|pay for
purchase order buy
shop store branch outlet
open opening hours close closing|what time
phone telephone call ring contact|get in touch|reach you|speak to|talk to
email mail write contact|get in touch|reach you
cancel cancellation|call off|get out of
repair fix mend
broken break broke damaged damage faulty defect defective fault torn|fall apart
warranty guarantee
rent rental hire lease loan borrow
child children kid kids
doctor physician practitioner
drug medicine medication tablet pill prescription
sick ill unwell
car parking park vehicle
password login|log in|sign in|log on|get into account
account profile
discount coupon voucher promo|money off|get off|cheaper|save money
instalment instalments installment installments|in parts|pay later|spread cost
instalment instalments installment installments|bit by bit|pay over time
subscription plan membership
member membership join|sign up
job jobs career vacancy employment|work for you
package parcel box
track tracking|where is order|where is parcel|where is package
shoe shoes boot boots footwear trainers sneakers
backpack rucksack bag
coat jacket
laundry wash clean cleaning
dog pet pets animal puppy
paperwork form document
invoice bill billing receipt
finish expire expiry
express fast fastest quick quickly rapid urgent
photo picture image
delete remove erase|get rid of
change edit modify amend update
trial demo|try it out|try out
address location located directions|find you|find us|get to you|getting here
permitted allow allowed
weight weigh weighs heavy
vaccine vaccination shot jab
pickup collect collection|pick up
bicycle bike
usa us america|united states
uk britain|united kingdom
abroad international internationally overseas foreign country countries|other country
refill renew|run out
wrong incorrect mistake
missing lost lose|not arrived|never arrived|did not arrive|not turned up
gift present
size sizing fit
colour color
free|no charge|without charge|at no cost
internet wifi wlan wireless|wi fi
smoke smoking cigarette cigarettes
gym fitness exercise workout
luggage baggage suitcase bags
wheelchair wheelchairs disabled disability accessible accessibility|step free
vegetarian meatless|without meat|not eat meat
baby infant toddler
cot crib
airport plane flight
annual annually yearly year
meal dinner lunch food eat
customer client guest
website site web online
late delay delayed
weekend saturday sunday
safe secure security
bigger larger greater
smaller tighter
opinion review feedback complaint complain
"""


def expansions(question: str) -> dict[str, frozenset[str]]:
    """For each stem of the question that has them, the stems that mean the same."""
    single, phrases = _table()
    found: dict[str, frozenset[str]] = {}
    stems = terms(question)
    for term in stems:
        if term in single:
            found[term] = found.get(term, frozenset()) | single[term] - {term}
    spaced = _spaced(question)
    for pattern, key_stems, meaning in phrases:
        if pattern.search(spaced):
            # Each word of it: "back" in "send it back" is not missed by itself.
            for key in [one for one in key_stems if one in stems]:
                found[key] = found.get(key, frozenset()) | meaning
    return found


def meant(text: str) -> frozenset[str]:
    """The stems that a text means by its phrases: "money back" means a refund."""
    spaced = _spaced(text)
    return frozenset(
        one
        for pattern, _, meaning in _table()[1]
        if pattern.search(spaced)
        for one in meaning
    )


_Phrase = tuple[re.Pattern[str], tuple[str, ...], frozenset[str]]


@cache
def _table() -> tuple[dict[str, frozenset[str]], list[_Phrase]]:
    single: dict[str, frozenset[str]] = {}
    phrases: list[_Phrase] = []
    for line in _SAME.strip().splitlines():
        plain, *phrased = line.split("|")
        meaning = frozenset(stem(word) for word in plain.split())
        for one in meaning:
            single[one] = single.get(one, frozenset()) | meaning
        for phrase in phrased:
            stems = tuple(stem(word) for word in words(phrase))
            # "send it back", "send something back": up to two words may stand between.
            pattern = r"(?: \S+){0,2}? ".join(map(re.escape, stems))
            phrases.append((re.compile(f" {pattern} "), stems, meaning))
    return single, phrases


def _spaced(text: str) -> str:
    return f" {' '.join(stem(word) for word in words(text))} "
