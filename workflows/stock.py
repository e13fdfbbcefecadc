"""Stock control: one command of a person, done once, and told to whom it concerns."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.stock_control import StockControl
    from models.stock_commands import Commanded, CommandStep
    from workflows.facts import tell
    from workflows.steps import Board, Steps, run_database_step


@workflow.defn
class StockWorkflow:
    """Does one command on stock or purchases. Who gave it waits for what came of it."""

    @workflow.run
    async def run(self, step: CommandStep) -> Commanded:
        """A refused command has changed nothing, and concerns nobody else."""
        command = step.command
        done = await run_database_step(StockControl.obey_command, step, f"Do the {command.kind}")
        await tell(Steps(Board(_show_nothing), lambda: False), done.echo)
        return done


async def _show_nothing(_attention: object) -> None:
    """There is no order to show attention on: the workflow's activities are what one sees."""
