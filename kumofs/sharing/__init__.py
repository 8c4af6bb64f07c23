"""Who may do what: `access` is the one place that answers. Grants, links and retention come here later."""
