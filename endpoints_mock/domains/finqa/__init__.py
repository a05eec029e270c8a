"""Financial questions over 2,800 filings: tools to search, list and read them, and two graders."""

from endpoints_mock.domain import Domain
from endpoints_mock.domains.finqa.corpus import companies, filings
from endpoints_mock.domains.finqa.graders import brittle, numeric
from endpoints_mock.domains.finqa.tools import filing_tools


def finqa_domain() -> Domain:
    """Return the domain; generating and indexing the filings takes about a second."""
    return Domain("finqa", filing_tools(filings(companies())), {"grade": numeric, "grade-brittle": brittle})
