"""Sentences, forms and records with places for invented values: what prose lacks."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from situs.learning.names_values import Invent

Labelled = tuple[str, list[tuple[int, int, str]]]
"""A text and its spans: start, end and kind."""

KINDS = ("person", "address", "location", "organisation", "date")

TEMPLATES = r"""
Could you tell {person} that I will be late?
Dear {first},\n\nthank you for your letter of {date}. We have passed it on to {person} at {company}.
Hi {first}, hope you are well. Did {first} and {first} reply yet?
{person} wrote to {person} on {date} about the contract with {company}.
Please draft a letter to {person}, {job} at {company}, {address}.
I met {person} in {place} last summer and we have been friends since.
The patient, {person}, born {date}, lives in {town} and was referred by Dr. {last}.
pt {last}, {first} seen {date}, c/o headache, lives alone in {town}
Ship the parcel to {person}, {address}. Do not ring the bell.
Deliver to: {person}\n{line}\n{unit}\n{town}, {state} {code}
{person}\n{company}\n{line}\n{code} {town}\n{country}
{person}\n{job}\n{company}\n{line}, {town}\nTel: {phone}\n{email}
Best regards,\n{person}\n{job}\n{company}
Kind regards\n{first} {last}\n{phone}
Thanks,\n{first}
Cheers, {first}
-- \n{person} | {job} | {company} | {phone}
{company}\n{line}\n{town} {code}
{company}, {line}, {code} {town}, {country}
{number} {street}\n{unit}\n{town}\n{country} {code}
{person}\n\n{number} {street} {unit}\n{town} {code}
> {person}\n> {number} {street}\n> {town}\n> {country} {code}
* {person}\n* {company}\n* {line}\n* {town}, {country}
Name: {person}\nStreet: {line}\nCity: {town}\nCountry: {country}\nZIP: {code}\nPhone: {phone}
name={person}; city={town}; country={country}; dob={date}
First name: {first}\nLast name: {last}\nDate of birth: {date}\nEmployer: {company}
{{"name": "{person}", "address": "{address}", "phone": "{phone}"}}
{{"first_name": "{first}", "last_name": "{last}", "city": "{town}", "zip": "{code}"}}
{{"customer": {{"name": "{person}", "company": "{company}"}}, "ship_to": {{"street": "{line}",
<to><name>{person}</name><street>{line}</street><city>{town}</city></to>
| {person} | {company} | {town} | {amount} |\n| {person} | {company} | {town} | {amount} |
{person},{email},{town},{country},{amount}\n{person},{email},{town},{country},{amount}
{person}\t{company}\t{date}\t{amount}
id,name,city\n{digits},{person},{town}\n{digits},{person},{town}\n{digits},{person},{town}
- {person} ({company})\n- {person} ({company})\n- {person} ({company})
1. {person}\n2. {person}\n3. {person}
Attendees: {person}, {person}, {first} {last} and {person}
Present were {last}, {last} and {last}; {person} took the minutes.
From: {person} <{email}>\nTo: {person} <{email}>\nSubject: Meeting on {weekday}\n\nHi {first},
From: {email}\nSent: {weekday}, {date}\nTo: {person}
[{time}] {first}: are you coming?\n[{time}] {first}: on my way, with {first}
{first}: hey\n{first}: hi {first}, what's up?
user: my name is {person}\nassistant: Nice to meet you, {first}!
my name's {first} and i live in {town}
i am {person} from {company}, can you help me with an invoice
this is {person} speaking
Call me {first}.
Everyone at work calls me {first}, my family calls me {first}.
Ask {first} whether {first} knows {person}.
I was told to talk to Mr. {last} or Mrs. {last}.
Ms {last} said no. Professor {last} said yes. Sir {person} said nothing.
Is {person} still working for {company}?
{person} is the new {job} of {company}.
{person} joined {company} as {job} in {place}.
{company} was founded by {person} and {person} in {town}.
{company} has offices in {town}, {town} and {town}.
{company} announced on {weekday} that it will buy {company} for {amount}.
Shares of {company} fell after {company} reported losses in {country}.
I work at {company}. Before that I was with {company} in {place}.
my employer is {company}
Compare {company} with {company} for me.
Write a cover letter for a position as {job} at {company}. My name is {person}.
We fly from {town} to {town} on {date} and on to {country} a week later.
Flight {town} - {town}, passenger {person}, {weekday} {time}
What is the weather in {place}?
I grew up in {place} but my parents are from {place}.
Have you ever visited {place}?
she comes from {place}
Moved from {place} to {place}.
{place}, {place} and {place} signed the treaty.
The hotel is on {street}, near the station.
turn left into {street}, we are at number {number}
He was seen at the corner of {street} and {street}.
My address is {address}
we live at {address} now
please change my address from {address} to {address}
Old: {line}, {town}\nNew: {line}, {town}
Our shop at {address} is closed on {weekday}.
Pick me up at {line}.
The meeting takes place at {line}, {unit}, {town}.
Return address: {line}, {code} {town}
Billing address:\n{person}\n{line}\n{town}, {state} {code}\n{country}
The postal code of {town} is {code}.
postcode {code}
zip: {code}
City {town} State {state} Zip {code}
My flat is {unit}, {line}.
Send the invoice to {company}, attention {person}, {line}, {town} {state} {code}
The tenant {person} (born {date} in {town}) rents {unit} at {line}, {town}.
This agreement is made on {date} between {company}, {line}, {town} and {person}.
Appointment: {date}\nWith: {person}\nAt: {company}, {line}
Due {date}, paid by {person} with card {card}.
Card {card} belongs to {person}. SSN {ssn}.
born on {date}
DOB {date}
See you {weekday}!
The film by {person} stars {person} and {person}.
A song by {person} about {place}.
"I did it," said {person}. {last} denied it later.
Who is {person}?
Tell me about {person}
Write a poem about {person} and the sea.
Translate for {first}: "The house of {person} is in {town}."
Emergency contact: {person} ({phone})
Beneficiary {person}, IBAN {iban}, bank {company}
The account of {person} at {company} was closed.
Insured: {person}, {address}
{person}'s flat in {town} was sold to {person}.
{first}'s sister {first} married {person}.
Reviewed by {person}, {date}
git log: {person} <{email}> {date}
author = "{person}"
def greet():\n    return "Hello {first}"
INSERT INTO users VALUES ({digits}, '{person}', '{line}', '{town}');
@{first} can you review this for {first}?
GPS says {street} {number}, {town}.
Order {digits} of {date} for {company} ({country}) has left {town}.
{last}: The defendant was in {town}.\n{last}: When?
Witness {person} of {line}, {town}, states as follows:
Candidate: {person}\nLocation: {town}, {country}\nLast employer: {company}
Taxi for {last} from {line} to {line}
{weekday}: {person}\n{weekday}: {person}
Room {digits}: {last}, {first}
Congratulations {first} and {first}!
Happy birthday, {first}!
Give my love to {first}.
Mom says {first} should call {first} in {place}.
Version {digits}, build {digits}, {digits} tests passed, {digits} failed
The total is {amount} for {digits} items.
Ticket {digits} was closed after {digits} hours.
Chapter {digits}, page {digits}
call {phone} or write to {email}
[{time}] INFO request {digits} took {digits} ms on worker {digits}
{digits} + {digits} = {digits}
x = {digits}; y = {digits}; print(x * y)
{digits},{digits},{digits},{digits}\n{digits},{digits},{digits},{digits}
Step {digits}: bake for {digits} minutes at {digits} degrees
ISBN {digits}-{digits}-{digits}, {digits} pages
v{digits}.{digits}.{digits} fixes {digits} bugs
Table {digits}: results of {digits} runs, mean {digits}
what is {digits} percent of {digits}?
A train goes {digits} km in {digits} hours. How fast is it?
The answer is {digits}. Divide {digits} by {digits} and round to {digits} places.
{{"id": {digits}, "status": "open", "count": {digits}, "total": "{amount}"}}
{digits}. Introduction\n{digits}. Methods\n{digits}. Results
A. {digits}\nB. {digits}\nC. {digits}\nD. {digits}
A) Yes\nB) No\nC) Only if x = {digits}\nD) None of the above
const total = items.reduce((sum, item) => sum + item.price, {digits});
SELECT id, name, price FROM orders WHERE total > {digits} ORDER BY created_at DESC LIMIT {digits};
listen:\n  host: 0.0.0.0\n  port: {digits}\nlogging:\n  level: info\n  format: json
{{"port": {digits}, "debug": false, "level": "INFO", "retries": {digits}, "backend": "redis"}}
<div class="row"><span id="c{digits}">Total</span><b>{amount}</b></div>
#include <stdio.h>\nint main(void) {{ printf("%d", {digits}); return 0; }}
func (s *Server) Start(ctx context.Context) error {{ return s.run(ctx, {digits}) }}
docker run -p {digits}:{digits} -e MODE=prod --name cache redis:{digits}
curl -s http://localhost:{digits}/v1/models | jq '.data[{digits}].id'
export PATH=$HOME/bin:$PATH && make test JOBS={digits}
from pathlib import Path\nfrom typing import Any, Mapping\nimport numpy as np
TypeError: 'NoneType' object is not subscriptable (line {digits})
| Column | Type | Default |\n|---|---|---|\n| port | int | {digits} |\n| host | str | none |
`--limit N`: how many rows are read at most (default {digits}). See also `--offset`.
Set MAX_TOKENS to {digits} and TIMEOUT to {digits}, then restart the service with HTTP and JSON.
public class OrderService {{ private final Map<String, Integer> stock = new HashMap<>(); }}
let x: Option<u32> = Some({digits}); match x {{ Some(v) => v, None => {digits} }}
GET /v1/items?page={digits}&size={digits} HTTP/1.1\nHost: localhost\nAccept: */*
## Installation\n\nRun `pip install tool=={digits}.{digits}` and open http://localhost:{digits}.
2H2 + O2 -> 2H2O; the molar mass is {digits} g/mol
f(x) = {digits}x^2 + {digits}x + {digits}, so f'(x) = {digits}x
Cut {digits} onions, {digits} carrots and {digits} g of butter; cook for {digits} minutes.
TODO: fix the CPU and GPU usage of the API in v{digits}
Q: What is HTTP?\nA: A protocol.\nQ: What is DNS?\nA: A naming system.
Use card {card}, ssn {ssn}, iban {iban}
"""

ADDRESSES = (
    "{line}, {town}|{line}, {code} {town}|{line}, {town}, {state} {code}|{line}, {town} {code}|"
    "{line}, {unit}, {town}, {country}|{line} {unit} {town} {state}|{line}\n{town}, {state} {code}|"
    "{line}\n {unit}\n {town}\n {country} {code}|{line}\n{unit}\n{town}\n, {state} {code}|"
    "{line}, {town}, {country}|{line}\n{code} {town}|{line} {unit}, {town}, {country} {code}|"
    "{line}|{line} {town}|{line}\n{town}\n, {state}\n {code}|{line} {unit} {town} {country} {code}"
).split("|")

_SLOT = re.compile(r"\{(\w+)\}")
_KIND = {
    **dict.fromkeys(("person", "first", "last"), "person"),
    **dict.fromkeys(("address", "line", "unit", "number", "street", "code", "state"), "address"),
    **dict.fromkeys(("town", "country", "place"), "location"),
    "company": "organisation",
    **dict.fromkeys(("date", "weekday"), "date"),
}


def templates() -> list[str]:
    lines = (line for line in TEMPLATES.splitlines() if line)
    return [
        line.replace("\\n", "\n").replace("\\t", "\t").replace("{{", "\1").replace("}}", "\2")
        for line in lines
    ]


def filled(template: str, invent: Invent) -> Labelled:
    """A template with values, and where they stand. What is no name gets no span."""
    text, spans, place = "", [], 0
    makers = _makers(invent)
    for match in _SLOT.finditer(template):
        text += template[place : match.start()]
        value, place = makers[match[1]](), match.end()
        if (kind := _KIND.get(match[1])) is not None:
            spans.append((len(text), len(text) + len(value), kind))
        text += value
    text += template[place:]
    return text.replace("\1", "{").replace("\2", "}"), spans


def address(invent: Invent) -> str:
    """All of an address as one value."""
    if invent.draw.random() < 0.05:
        return invent.post()
    makers = _makers(invent)
    return _SLOT.sub(lambda match: makers[match[1]](), invent.draw.choice(ADDRESSES))


def _makers(invent: Invent) -> dict[str, Callable[[], str]]:
    draw = invent.draw
    return {
        "person": invent.person,
        "first": invent.first,
        "last": invent.last,
        "line": invent.line,
        "unit": invent.unit,
        "number": invent.number,
        "street": invent.street,
        "code": invent.code,
        "state": invent.state,
        "town": invent.town,
        "country": invent.country,
        "place": invent.place,
        "company": invent.company,
        "date": invent.date,
        "weekday": invent.weekday,
        "job": invent.job,
        "address": lambda: address(invent),
        "time": lambda: f"{draw.randint(0, 23)}:{draw.randint(0, 59):02}",
        "digits": lambda: str(draw.randint(1, 10 ** draw.randint(1, 9))),
        "amount": lambda: (
            f"{draw.choice('$€£')}{draw.randint(1, 99999):,}.{draw.randint(0, 99):02}"
        ),
        "phone": lambda: _digits(draw, draw.choice(PHONES)),
        "card": lambda: _digits(draw, draw.choice(("4### #### #### ####", "5###############"))),
        "ssn": lambda: _digits(draw, "###-##-####"),
        "iban": lambda: _digits(draw, "GB##ABCD##############"),
        "email": lambda: (
            f"{draw.choice(MAILBOXES)}{draw.randint(1, 999)}@example.{draw.choice(TOPS)}"
        ),
    }


PHONES = (
    "(###) ###-####|###-###-####|+## ## ### ####|0## ### ## ##|+1-###-###-####x####|### ####|"
    "(##) ###-###|001-###-###-####|0## #######|+977 98########"
).split("|")
MAILBOXES = ("info", "sales", "kim", "j.smith", "anna", "office", "peter.b", "user")
TOPS = ("com", "org", "net", "de", "co.uk")


def _digits(draw: random.Random, pattern: str) -> str:
    return "".join(str(draw.randrange(10)) if char == "#" else char for char in pattern)
