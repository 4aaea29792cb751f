"""How each report looks to people: report -> the plain blocks of `render`. No logic but wording."""
