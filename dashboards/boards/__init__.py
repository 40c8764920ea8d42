"""The dashboards as code; `python -m dashboards.boards --write` writes their JSON."""

from dashboards.boards import airflow, api, data, model, overview, runbooks

BOARDS = (overview.BOARD, api.BOARD, model.BOARD, data.BOARD, airflow.BOARD, runbooks.BOARD)
